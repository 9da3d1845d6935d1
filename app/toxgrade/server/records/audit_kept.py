"""Rows that change or go in time: an entry of the audit says how each is, and until when it stays.

These are kept answers, sessions, used tokens, marks of pulls and batches. The newest entry about a
row counts; verification compares it with what is stored. Of a batch, what was sent is covered from
the beginning, and how it went once it has ended.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, select

from toxgrade.server.records.db.append import digest
from toxgrade.server.records.db.service_tables import (
    KEPT_HOURS,
    batch_pieces,
    batch_tasks,
    batches,
    idempotency_keys,
    pull_marks,
    sessions,
    used_tokens,
)
from toxgrade.server.records.db.transaction import Kept, KeptRow, Transaction

KEPT: tuple[Table, ...] = (batches, idempotency_keys, pull_marks, sessions, used_tokens)
PROGRESS = frozenset(
    ("criteria_sha256", "detail", "finished_at", "read_as", "rows_total", "served_at", "software",
     "state")
)  # fmt: skip
"""The columns of a batch that change until it ends."""
_ENDS = "ended batches"  # stands for a table in an entry
UNREADABLE = (TypeError, ValueError)
"""What reading raises where a value is not of its column's type, as SQLite allows."""

_UNTIL: Mapping[Table, Callable[[Mapping[str, Any]], datetime]] = {
    idempotency_keys: lambda row: row["recorded_at"] + timedelta(hours=KEPT_HOURS),
    sessions: lambda row: row["started_at"],  # A session may end at any time.
    used_tokens: lambda row: row["expires_at"],
}
"""After what time a row may go without an entry; those of other tables stay."""


_encode = msgspec.json.Encoder().encode


def keep(transaction: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Note for the audit how a row of ``KEPT`` is, which was inserted or replaced."""
    until = _UNTIL.get(table)
    last = until(row).astimezone(UTC).isoformat() if until else None
    _noted(transaction, table)[_name(table, row)] = KeptRow(sha256=_digest(table, row), until=last)


def drop(transaction: Transaction, table: Table, row: Mapping[str, Any]) -> None:
    """Note for the audit that a row of ``KEPT`` is deleted; ``row`` holds its primary key."""
    _noted(transaction, table)[_name(table, row)] = None


def keep_end(transaction: Transaction, batch_id: str) -> None:
    """Note for the audit how a batch has ended: its own row, its tasks and their pieces."""
    connection = transaction.connection
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).mappings().one()
    note = KeptRow(sha256=_end_digest(connection, dict(row)), until=None)
    kept = transaction.written.kept.setdefault(_ENDS, {})
    kept[_name(batches, dict(row))] = note


def _noted(transaction: Transaction, table: Table) -> dict[str, KeptRow | None]:
    return transaction.written.kept.setdefault(table.name, {})


def _digest(table: Table, row: Mapping[str, Any]) -> str:
    if table is batches:
        row = {name: value for name, value in row.items() if name not in PROGRESS}
    return digest(row).hex()


def _end_digest(connection: Connection, batch: Mapping[str, Any]) -> str:
    found = hashlib.sha256(digest({n: v for n, v in batch.items() if n != "served_at"}))
    for table in (batch_tasks, batch_pieces):
        columns = [column for column in table.c if column.name != "lease_until"]
        of_batch = select(*columns).where(table.c.batch_id == batch["id"])
        for row in connection.execute(of_batch.order_by(*table.primary_key)).mappings():
            found.update(digest(dict(row)))
    return found.hexdigest()


def _name(table: Table, row: Mapping[str, Any]) -> str:
    """Return what stands for a row: no key, address or pseudonym can be read from it."""
    key = [row[column.name] for column in table.primary_key]
    return hashlib.sha256(_encode([str(table.name), *key])).hexdigest()[:32]


class _Noted(NamedTuple):
    """What the newest entry so far says of a row, and where and when."""

    chain: str
    at: str
    row: KeptRow | None

    def is_before(self, chain: str, at: str) -> bool:
        """Whether an entry read later is newer: in one chain it is, whatever the clock said."""
        return chain == self.chain or at >= self.at


class KeptRows:
    """The rows of ``KEPT`` as they are stored, and what entries say of them."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._stored: dict[tuple[str, str], str] = {}
        self._unreadable: set[str] = set()
        for table in KEPT:
            try:
                rows = connection.execute(select(table)).mappings().all()
            except UNREADABLE:
                self._unreadable.add(table.name)
                continue
            for row in map(dict, rows):
                self._stored[table.name, _name(table, row)] = _digest(table, row)
                if table is batches and row["state"] not in ("queued", "running"):
                    self._stored[_ENDS, _name(table, row)] = _end_digest(connection, row)
        self._noted: dict[tuple[str, str], _Noted] = {}
        self._now = now.isoformat()

    def read(self, chain: str, at: str, kept: Kept) -> None:
        """Take in what a chain's next entry says; of what may be gone and is, nothing stays."""
        for table, notes in kept.items():
            for name, note in notes.items():
                place = (table, name)
                may_be_gone = note is None or (note["until"] or "9999") <= self._now
                if place not in self._stored and may_be_gone:
                    self._noted.pop(place, None)
                elif (known := self._noted.get(place)) is None or known.is_before(chain, at):
                    self._noted[place] = _Noted(chain, at, note)

    def faults(self) -> Iterator[str]:
        """Yield what is not as the entries say."""
        for place, found in self._stored.items():
            noted = self._noted.pop(place, None)
            if noted is None or noted.row is None or noted.row["sha256"] != found:
                yield f"a row of {place[0]} is not as it was, or no entry tells of it"
        for table, _ in self._noted:
            if table not in self._unreadable:
                yield f"a row of {table} is gone"
        for table in self._unreadable:
            yield f"a row of {table} cannot be read"
