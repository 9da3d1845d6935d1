"""The rows of batches that were refused, or stored without a grade."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select, tuple_

from toxgrade.server.jobs.batches import find_row
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.service_tables import batch_rejects
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import find_study

Place = tuple[int, int]
"""The place of a reject, by row and id: a page of rejects begins after one."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be read or stored as it is: its place and what to correct, without values.

    ``row`` counts from 1, ``line`` is its line in the file (None: the format has no lines),
    ``column`` is the input's name. ``stored``: the row is stored as it is, without a grade.
    """

    row: int
    line: int | None
    column: str
    reason: str
    stored: bool


def add_rejects(transaction: Transaction, batch_id: str, rejects: Iterable[Reject]) -> None:
    """Record refused rows, in the transaction that ends their task."""
    rows = [
        {"batch_id": batch_id, "row": r.row, "line": r.line, "column": r.column,
         "reason": r.reason, "stored": r.stored}
        for r in rejects
    ]  # fmt: skip
    append(transaction, batch_rejects, rows)


def list_rejects(
    connection: Connection, study_name: str, batch_id: str, limit: int, after: Place
) -> tuple[list[Reject], Place | None]:
    """Return up to ``limit`` refused rows in the file's order, after the place ``after``.

    The second value is the place to go on from, None after the last. Complete when the batch ends.

    Raises:
        NotFound: there is no such study, or it has no such batch.
    """
    find_row(connection, find_study(connection, study_name), batch_id)
    place = tuple_(batch_rejects.c.row, batch_rejects.c.id)
    rows = connection.execute(
        select(batch_rejects)
        .where(batch_rejects.c.batch_id == batch_id, place > tuple_(*after))
        .order_by(batch_rejects.c.row, batch_rejects.c.id)
        .limit(limit + 1)
    ).all()
    found = [Reject(r.row, r.line, r.column, r.reason, r.stored) for r in rows[:limit]]
    return found, (rows[limit - 1].row, rows[limit - 1].id) if len(rows) > limit else None
