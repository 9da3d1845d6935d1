"""The unit of work of a transaction: rows to write, what it has written, and what it has read.

Rows get their ids when they are appended, and are written together before a statement that names
their table, and before the commit. A group of panels needs three statements this way; one for each
panel and table took half of the time of storing the group.
"""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypedDict

from sqlalchemy import Connection, Engine, RootTransaction, Table, event

from toxgrade.server.records.db.bulk import insert_tuples, reserve_ids
from toxgrade.server.records.db.tables import metadata

_INFO_KEY = "toxgrade.unit_of_work"  # the key in ``Connection.info``
_TABLE_ORDER = {table: place for place, table in enumerate(metadata.sorted_tables)}


class KeptRow(TypedDict):
    """A row's digest in hexadecimal, and the time after which it may go; None: never."""

    sha256: str
    until: str | None


Kept = dict[str, dict[str, KeptRow | None]]


@dataclass(slots=True)
class Written:
    """What a job wrote: digests by table and row id, and other facts for its audit entry.

    ``kept`` are rows that change or go in time: by table and name how each is, None: deleted.
    """

    digests: dict[str, dict[int, bytes]] = field(default_factory=dict)
    kept: Kept = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class UnitOfWork:
    """The work of one transaction. ``written`` is what the audit has not taken yet; ``cache`` holds
    what was read and cannot change before the transaction ends, such as rows that it locked;
    ``panels`` is how many panels it stores, and so how many times the ids of one are reserved.
    """

    transaction: RootTransaction | None
    written: Written = field(default_factory=Written)
    cache: dict[Hashable, Any] = field(default_factory=dict)
    panels: int = 1
    _rows: dict[Table, dict[tuple[str, ...], list[tuple[Any, ...]]]] = field(default_factory=dict)
    _ids: dict[Table, Iterator[int]] = field(default_factory=dict)

    def take_ids(self, connection: Connection, table: Table, count: int) -> list[int]:
        """Return ``count`` ids for new rows of ``table``, ascending."""
        ids = list(islice(self._ids.setdefault(table, iter(())), count))
        if missing := count - len(ids):
            self._ids[table] = reserve_ids(connection, table, missing * self.panels)
            ids += islice(self._ids[table], missing)
        return ids

    def drop_reserved_ids(self) -> None:
        """Drop the ids that were reserved before a row is locked.

        While this transaction waits for the lock, another may append to that patient under higher
        ids; but the row that is written last must have the highest id.
        """
        self._ids.clear()
        self.panels = 1

    def add(self, table: Table, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        """Queue rows, their ids included, to be written."""
        self._rows.setdefault(table, {}).setdefault(columns, []).extend(rows)

    def may_read_queued(self, statement: str) -> bool:
        """Return whether a statement may read rows that are queued and not written yet."""
        return any(table.name in statement for table in self._rows)

    def write(self, connection: Connection) -> None:
        """Write the queued rows, those first to which others refer.

        Raises:
            SQLAlchemyError: the database refuses them; the transaction cannot go on.
        """
        rows, self._rows = self._rows, {}
        for table in sorted(rows, key=_TABLE_ORDER.__getitem__):
            for columns, found in rows[table].items():
                insert_tuples(connection, table, columns, found)

    def forget(self) -> None:
        """Drop the queued rows and the cache, after a rollback to a savepoint."""
        self._rows.clear()
        self.cache.clear()


def unit_of_work(connection: Connection) -> UnitOfWork:
    """Return the unit of work of the connection's transaction, which begins if there is none."""
    transaction = connection.get_transaction() or connection.begin()
    unit = _current(connection)
    if unit is None or unit.transaction is not transaction:
        connection.info[_INFO_KEY] = unit = UnitOfWork(transaction)
    return unit


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Run the block in a savepoint; what an error rolls back is not noted for the audit either."""
    unit = unit_of_work(connection)
    before, unit.written = unit.written, Written()
    try:
        with connection.begin_nested():
            yield
    except BaseException:
        unit.written = before
        raise
    for table, rows in unit.written.digests.items():
        before.digests.setdefault(table, {}).update(rows)
    for table, kept in unit.written.kept.items():
        before.kept.setdefault(table, {}).update(kept)
    before.notes.update(unit.written.notes)
    unit.written = before


def register_writes(engine: Engine) -> None:
    """Write queued rows before a statement names them, before a savepoint and before the commit,
    and drop them on a rollback to a savepoint.
    """
    event.listen(engine, "before_cursor_execute", _before_statement)
    event.listen(engine, "savepoint", _write)
    event.listen(engine, "rollback_savepoint", _forget)
    event.listen(engine, "commit", _write)


def _before_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    unit = _current(connection)
    if unit is None:
        return
    if unit.may_read_queued(statement):
        _write(connection)
    if "FOR UPDATE" in statement:
        unit.drop_reserved_ids()


def _write(connection: Connection, *_: Any) -> None:
    unit = _current(connection)
    if unit is not None and unit.transaction is connection.get_transaction():
        unit.write(connection)


def _forget(connection: Connection, *_: Any) -> None:
    if (unit := _current(connection)) is not None:
        unit.forget()


def _current(connection: Connection) -> UnitOfWork | None:
    unit: UnitOfWork | None = connection.info.get(_INFO_KEY)
    return unit
