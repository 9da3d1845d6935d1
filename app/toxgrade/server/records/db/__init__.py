"""The database layer: tables, engine, transactions, bulk inserts."""
