"""The database itself: tables, engine, one transaction's work, rows in bulk."""
