"""The one way into the tables that are only appended to: number, keep, and note for the audit.

A row's digest is the SHA-256 of its columns that are not null, as JSON with sorted names: a column
added later leaves the digests of older rows as they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import starmap
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table

from toxgrade.server.records.db.tables import (
    demographics,
    events,
    follow_ups,
    grades,
    patients,
    results,
    study_ranges,
    study_rules,
    treatments,
)
from toxgrade.server.records.db.unit_of_work import Written, unit_of_work

COVERED: tuple[Table, ...] = (
    demographics, events, follow_ups, grades, results, study_ranges, study_rules, treatments,
)  # fmt: skip
"""The tables whose every row some entry of the audit covers, by name."""

_OF_A_STUDY = (study_ranges, study_rules)

_encode = msgspec.json.Encoder().encode


def append(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Append rows of the same columns and note them for the audit; their numbers, in their order.

    Each row is given its ``id``. They are written at the latest before the transaction is
    committed.
    """
    if not rows:
        return []
    unit = unit_of_work(connection)
    if table in _OF_A_STUDY:
        unit.seen.clear()
    noted = unit.written.digests.setdefault(table.name, {})
    ids = unit.number(connection, table, len(rows))
    for number, row in zip(ids, rows, strict=True):
        row["id"] = number
    columns, values, as_json = _form(tuple(rows[0]))
    assert set(map(len, rows)) == {len(columns)}, "rows of one table have the same columns"
    taken = list(map(values, rows))
    texts = map(_encode, starmap(as_json, taken))
    noted.update(zip(ids, [sha256(text).digest() for text in texts], strict=True))
    unit.add(table, columns, taken)
    if "patient_id" in columns:
        for patient in set(map(itemgetter(columns.index("patient_id")), taken)):
            unit.seen.pop((patients, patient), None)
    return ids


def add_audit_note(connection: Connection, **facts: Any) -> None:
    """Add to the audit entry of what is being done, such as a reason; never a clinical value."""
    unit_of_work(connection).written.remarks.update(facts)


def pop_written(connection: Connection) -> Written:
    """What was written in this transaction since it was last asked."""
    unit = unit_of_work(connection)
    written, unit.written = unit.written, Written()
    return written


def digest(row: Mapping[str, Any]) -> bytes:
    """A row's digest, from its columns as the database gives them back."""
    _, values, as_json = _form(tuple(row))
    return sha256(_encode(as_json(*values(row)))).digest()


@cache
def _form(
    names: tuple[str, ...],
) -> tuple[tuple[str, ...], Callable[[Mapping[str, Any]], tuple[Any, ...]], type[msgspec.Struct]]:
    """The columns sorted, what takes them from a row, and what is written of them as JSON.

    A struct leaves out its nulls by itself: a dictionary of those that are not, sorted each time,
    took three times as long.
    """
    columns = tuple(sorted(names))
    fields = [(str(name), Any, None) for name in columns]  # some are a database's own kind of text
    as_json = msgspec.defstruct("Row", fields, omit_defaults=True, gc=False)
    return columns, itemgetter(*columns), as_json


@contextmanager
def as_of_snapshot(connection: Connection, moment: datetime) -> Iterator[None]:
    """Within this, ``connection`` sees what was stored up to ``moment``; then it is rolled back."""
    on_sqlite = connection.dialect.name == "sqlite"
    schema = "main" if on_sqlite else connection.exec_driver_sql("SELECT current_schema()").scalar()
    until = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + ("" if on_sqlite else "+00")
    driver: Any = connection.connection.dbapi_connection
    if not on_sqlite:
        # A statement prepared before would go on reading the tables themselves.
        threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        of_patients = [table.name for table in COVERED if "patient_id" in table.c]
        there = " OR ".join(
            f"EXISTS (SELECT 1 FROM {schema}.{name} r"
            f" WHERE r.patient_id = p.id AND r.recorded_at <= '{until}')"
            for name in of_patients
        )
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW patients AS SELECT * FROM {schema}.patients p WHERE {there}"
        )
        for table in COVERED:
            connection.exec_driver_sql(
                f"CREATE TEMP VIEW {table.name} AS SELECT * FROM {schema}.{table.name}"
                f" WHERE recorded_at <= '{until}'"
            )
        yield
    finally:
        connection.rollback()
        if not on_sqlite:
            driver.prepare_threshold = threshold
