"""Append rows to the append-only tables: give them ids, queue them, note digests for the audit.

A row's digest is the SHA-256 of its columns that are not null, as JSON with sorted names, so that
a column added later leaves the digests of older rows unchanged.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import starmap
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert

from toxgrade.server.records.db.service_tables import (
    api_keys,
    batch_rejects,
    erasures,
    key_revocations,
    key_studies,
    verifications,
)
from toxgrade.server.records.db.tables import (
    demographics,
    events,
    follow_ups,
    grades,
    liver_reviews,
    patient_summaries,
    patients,
    results,
    studies,
    study_ranges,
    study_rules,
    treatments,
)
from toxgrade.server.records.db.transaction import Transaction

RECORDS: tuple[Table, ...] = (
    demographics, events, follow_ups, grades, liver_reviews, results, study_ranges, study_rules,
    treatments,
)  # fmt: skip
"""What a study records, with the time when it was recorded."""

OF_STUDIES: tuple[Table, ...] = (*RECORDS, batch_rejects, erasures, patients)
OF_INSTALLATION: tuple[Table, ...] = (
    api_keys, key_revocations, key_studies, studies, verifications,
)  # fmt: skip
COVERED: tuple[Table, ...] = (*OF_STUDIES, *OF_INSTALLATION)
"""The append-only tables. An entry of the audit covers each of their rows: of the chain of its
study, or of the installation's.
"""

_STUDY_TABLES = (study_ranges, study_rules)

_encode = msgspec.json.Encoder().encode


def append(transaction: Transaction, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Append rows that have the same columns, note them for the audit, and return their ids.

    Each row is given its ``id``. The rows are written before the transaction commits at the latest.
    """
    if not rows:
        return []
    ids = transaction.take_ids(table, len(rows))
    for row_id, row in zip(ids, rows, strict=True):
        row["id"] = row_id
    columns = tuple(sorted(rows[0]))
    assert set(map(len, rows)) == {len(columns)}, "rows of one table have the same columns"
    append_tuples(transaction, table, columns, [*map(itemgetter(*columns), rows)])
    return ids


def append_tuples(
    transaction: Transaction,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Append rows as tuples of ``columns``, which are sorted; the ids in them were taken before."""
    if not rows:
        return
    if table in _STUDY_TABLES:
        transaction.cache.clear()
    texts = map(_encode, starmap(_json_of(columns), rows))
    digests = transaction.written.digests.setdefault(table.name, {})
    ids = map(itemgetter(columns.index("id")), rows)
    digests.update(zip(ids, [sha256(text).digest() for text in texts], strict=True))
    transaction.add(table, columns, rows)
    if "patient_id" in columns:
        for patient_id in set(map(itemgetter(columns.index("patient_id")), rows)):
            transaction.cache.pop((patients, patient_id), None)


def cover(transaction: Transaction, table: Table, rows: Iterable[Mapping[Any, Any]]) -> None:
    """Note rows, ids included, that a statement of its own has inserted, for the audit."""
    digests = transaction.written.digests.setdefault(table.name, {})
    digests.update((row["id"], digest(dict(row))) for row in rows)


def append_now(transaction: Transaction, table: Table, row: Mapping[str, Any]) -> int:
    """Append one row at once, for statements that refer to it; return its id."""
    added = insert(table).values(row).returning(table)
    stored = transaction.connection.execute(added).mappings().one()
    cover(transaction, table, [stored])
    return int(stored["id"])


def digest(row: Mapping[str, Any]) -> bytes:
    """Return a row's digest, from its columns as the database returns them."""
    values, as_json = _row_format(tuple(row))
    return sha256(_encode(as_json(*values(row)))).digest()


@cache
def _row_format(
    names: tuple[str, ...],
) -> tuple[Callable[[Mapping[str, Any]], tuple[Any, ...]], type[msgspec.Struct]]:
    """Return a getter of a row's values in the order of its columns, and ``_json_of`` these."""
    columns = tuple(sorted(names))
    return itemgetter(*columns), _json_of(columns)


@cache
def _json_of(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return the struct that becomes the JSON of a row's sorted columns.

    It omits nulls by itself; building and sorting a dictionary of the other columns for each row
    took three times as long.
    """
    fields = [(str(name), Any, None) for name in columns]  # Some are SQLAlchemy's quoted_name.
    return msgspec.defstruct("Row", fields, omit_defaults=True, gc=False)


@contextmanager
def as_of_snapshot(connection: Connection, moment: datetime) -> Iterator[None]:
    """Show ``connection`` only rows stored up to ``moment``; at the end, roll its work back."""
    on_sqlite = connection.dialect.name == "sqlite"
    schema = "main" if on_sqlite else connection.exec_driver_sql("SELECT current_schema()").scalar()
    # strftime writes the year 999 in three digits: PostgreSQL refuses it, SQLite takes it as later.
    in_utc = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    cutoff = in_utc if on_sqlite else f"{in_utc}+00"
    driver: Any = connection.connection.dbapi_connection
    if not on_sqlite:
        # A statement that was prepared earlier would still read the tables instead of the views.
        threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        patient_tables = [table.name for table in RECORDS if "patient_id" in table.c]
        is_known = " OR ".join(
            f"EXISTS (SELECT 1 FROM {schema}.{name} r"
            f" WHERE r.patient_id = p.id AND r.recorded_at <= '{cutoff}')"
            for name in patient_tables
        )
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW patients AS SELECT * FROM {schema}.patients p WHERE {is_known}"
        )
        for table in RECORDS:
            connection.exec_driver_sql(
                f"CREATE TEMP VIEW {table.name} AS SELECT * FROM {schema}.{table.name}"
                f" WHERE recorded_at <= '{cutoff}'"
            )
        summaries = patient_summaries.name  # They are of now, whenever they were made.
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW {summaries} AS SELECT * FROM {schema}.{summaries} WHERE 1 = 0"
        )
        yield
    finally:
        connection.rollback()
        if not on_sqlite:
            driver.prepare_threshold = threshold
