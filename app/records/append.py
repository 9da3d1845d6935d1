"""The one way into the tables that are only appended to: insert, and note for the audit.

A row's digest is the SHA-256 of its columns that are not null, as JSON with sorted names: a column
added later leaves the digests of older rows as they are.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert
from sqlalchemy.sql.dml import ReturningInsert

from app.records.tables import (
    demographics,
    events,
    follow_ups,
    grades,
    results,
    study_ranges,
    study_rules,
    treatments,
)

COVERED: tuple[Table, ...] = (
    demographics, events, follow_ups, grades, results, study_ranges, study_rules, treatments,
)  # fmt: skip
"""The tables whose every row some entry of the audit covers, by name."""

_NOTES = "toxgrade.written"  # where a connection keeps what its transaction wrote

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class Written:
    """What a job wrote: digests by table and row, and what else its audit entry says."""

    digests: dict[str, dict[int, bytes]] = field(default_factory=dict)
    remarks: dict[str, Any] = field(default_factory=dict)


def append(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows and note them for the audit; their numbers, in the order given."""
    if not rows:
        return []
    ids = list(connection.scalars(_returning(table), list(rows)))
    note(connection, table, ({**row, "id": n} for row, n in zip(rows, ids, strict=True)))
    return ids


@cache
def _returning(table: Table) -> ReturningInsert[Any]:
    return insert(table).returning(table.c.id, sort_by_parameter_order=True)


def note(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Note rows that were inserted another way (in bulk); each with its ``id`` and all columns."""
    found = _written(connection).digests.setdefault(table.name, {})
    found.update((row["id"], digest(row)) for row in rows)


def remark(connection: Connection, **facts: Any) -> None:
    """Add to the audit entry of what is being done, such as a reason; never a clinical value."""
    _written(connection).remarks.update(facts)


def take(connection: Connection) -> Written:
    """What was written on this connection since it was last asked."""
    written = _written(connection)
    connection.info[_NOTES] = Written()
    return written


@contextmanager
def undoable(connection: Connection) -> Iterator[None]:
    """A savepoint: what an error takes back is not noted either."""
    before = take(connection)
    try:
        with connection.begin_nested():
            yield
    except BaseException:
        connection.info[_NOTES] = before
        raise
    since = take(connection)
    for table, rows in since.digests.items():
        before.digests.setdefault(table, {}).update(rows)
    before.remarks.update(since.remarks)
    connection.info[_NOTES] = before


def digest(row: Mapping[str, Any]) -> bytes:
    """A row's digest, from its columns as the database gives them back."""
    present = {name: value for name, value in row.items() if value is not None}
    return hashlib.sha256(_encode(present)).digest()


def _written(connection: Connection) -> Written:
    found: Written = connection.info.setdefault(_NOTES, Written())
    return found
