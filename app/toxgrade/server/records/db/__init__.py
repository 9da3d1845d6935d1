"""The database layer: tables, engine, the unit of work of a transaction, bulk inserts."""
