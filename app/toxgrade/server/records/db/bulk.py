"""Many rows at once: binary COPY on PostgreSQL, executemany with tuples on SQLite.

For a million rows SQLAlchemy's own insert measured 8.6 times a binary COPY, and 2.6 times a plain
executemany. Rows go into the final table: a fence in the same transaction keeps them single.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import count
from operator import itemgetter
from typing import Any

import psycopg
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Select,
    Table,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from toxgrade.server.records.db.service_tables import erasures
from toxgrade.server.records.db.tables import Instant

# The sequence is looked up once: for each number anew it took twice as long.
_NUMBERED = text(
    "SELECT array_agg(nextval((SELECT pg_get_serial_sequence(:table, 'id'))::regclass))"
    " FROM generate_series(1, :count)"
)
_OTHERWISE_KEPT = (Boolean, Date, DateTime, Instant)


def insert_tuples(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Append rows, tuples in the order of ``columns``, in the transaction of ``connection``.

    Columns that are left out take the database's default; ids are numbered on.

    Raises:
        SQLAlchemyError: the database does not take the rows; the transaction is lost.
    """
    if not rows:
        return
    chosen = [table.c[name] for name in columns]
    if connection.dialect.name == "postgresql":
        _copy(connection, table, chosen, rows)
        return
    told, tuples = _as_sqlite_keeps_them(chosen, rows, connection.dialect)
    names = ", ".join(f'"{name}"' for name in told)
    marks = ", ".join("?" * len(told))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", tuples)


def _copy(
    connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[Any]
) -> None:
    names = ", ".join(f'"{column.name}"' for column in columns)
    statement = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
    types = [_postgresql_type(column, connection.dialect) for column in columns]
    cursor: Any = connection.connection.cursor()
    try:
        with cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:  # the driver's own, past SQLAlchemy
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=connection.dialect
        ) from None


def _postgresql_type(column: Column[Any], dialect: Dialect) -> str:
    """The type's name without its length: ``VARCHAR(64)`` is ``varchar``."""
    return column.type.compile(dialect).partition("(")[0].lower()


def _as_sqlite_keeps_them(
    columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]], dialect: Dialect
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns told and their tuples: moments as the text that SQLAlchemy reads back, booleans
    as numbers, and no column that is null in every row.

    To be handed a null takes SQLite's driver 0.25 us, as a boolean does, a number 0.02; of a
    batch's results four columns are null throughout. Storing took a tenth less without.
    """
    told = [
        place
        for place, column in enumerate(columns)
        if rows[0][place] is not None
        or column.server_default is not None
        or set(map(itemgetter(place), rows)) != {None}
    ]
    otherwise = [place for place in told if isinstance(columns[place].type, _OTHERWISE_KEPT)]
    to_plain_text = [place for place in told if place not in otherwise]
    converted = zip(
        *(
            map(_Kept(columns[place], dialect).__getitem__, map(itemgetter(place), rows))
            for place in otherwise
        ),
        strict=True,
    )
    # Each table has an id, a column beside it, and a moment or a boolean.
    as_they_are = map(itemgetter(*to_plain_text), rows)
    tuples = [one + other for one, other in zip(as_they_are, converted, strict=True)]
    return [columns[place].name for place in (*to_plain_text, *otherwise)], tuples


class _Kept(dict[Any, Any]):
    """A column's values as SQLite keeps them, each converted once: the dates of a batch are few."""

    def __init__(self, column: Column[Any], dialect: Dialect) -> None:
        convert = column.type.dialect_impl(dialect).bind_processor(dialect)
        assert convert is not None, "SQLite keeps it otherwise"
        self._convert = convert

    def __missing__(self, value: Any) -> Any:
        self[value] = found = self._convert(value)
        return found


def reserve_ids(connection: Connection, table: Table, least: int) -> Iterator[int]:
    """At least so many ids for new rows of ``table``, ascending; no other transaction gets them.

    On SQLite the transaction must be one that writes: it is then the only one.
    """
    if connection.dialect.name == "postgresql":
        found = connection.execute(_NUMBERED, {"table": table.name, "count": least}).scalar_one()
        return iter(sorted(found))
    highest = connection.scalar(_highest(table))
    return count((highest or 0) + 1)


@cache
def _highest(table: Table) -> Select[Any]:
    """A query for the highest id there ever was: numbers of erased rows, of which the audit tells,
    stay theirs.
    """
    erased = func.json_extract(erasures.c.highest, f"$.{table.name}")
    for_ever = [select(func.max(each)).scalar_subquery() for each in (table.c.id, erased)]
    return select(func.max(*(func.coalesce(each, 0) for each in for_ever)))
