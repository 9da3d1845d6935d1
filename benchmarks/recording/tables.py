"""The database that a recording left: its schema and every row, as text."""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.recording.normal import Normal

_OWN = {
    "prefix": "drawn",
    "secret_sha256": "drawn",
    "hash": "of an entry of the audit, with its time",
    "served_at": "a time in seconds",
    "lease_until": "a time in seconds",
}
"""Columns that hold what is this run's, and why."""


def record_tables(database: Path, folder: Path, normal: Normal) -> None:
    """Write a file for each table, and one for the schema."""
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        schema = connection.execute(names).fetchall()
        (folder / "schema.txt").write_text("\n\n".join(sql for _, sql in schema))
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        for (table,) in connection.execute(tables).fetchall():
            (folder / f"{table}.txt").write_text(normal(_rows(connection, table)))


def batches_settled(database: Path) -> bool:
    """Say whether no uploaded batch is under way."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        waiting = "SELECT count(*) FROM batches WHERE finished_at IS NULL"
        return bool(connection.execute(waiting).fetchone() == (0,))


def _rows(connection: sqlite3.Connection, table: str) -> str:
    """Return the rows in the order in which they were stored."""
    cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
    columns = [name for name, *_ in cursor.description]
    lines = [" | ".join(map(_cell, columns, row)) for row in cursor]
    return "\n".join([" | ".join(columns), *lines, ""])


def _cell(column: str, value: object) -> str:
    if column in _OWN and value is not None:
        return "<own>"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
