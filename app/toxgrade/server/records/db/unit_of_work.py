"""What a transaction has in hand until it ends: rows to write, what it wrote, what it has read.

Rows are numbered when they are appended and written together: before a statement that names their
table, and before the commit. A group of panels shares three statements so, where a statement for
each panel and table was half of the time of storing it.
"""

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, Table, event

from toxgrade.server.records.db.bulk import insert_tuples, reserve_ids
from toxgrade.server.records.db.tables import metadata

_PLACE = "toxgrade.unit_of_work"  # where a connection keeps it
_IN_ORDER = {table: place for place, table in enumerate(metadata.sorted_tables)}


@dataclass(slots=True)
class Written:
    """What a job wrote: digests by table and row, and what else its audit entry says."""

    digests: dict[str, dict[int, bytes]] = field(default_factory=dict)
    remarks: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class UnitOfWork:
    """``written`` since the audit last took it; ``seen``: what was read and cannot change before
    the transaction ends, as rows that it locked; ``panels``: how many like the first are to come.
    """

    transaction: RootTransaction | None
    written: Written = field(default_factory=Written)
    seen: dict[Hashable, Any] = field(default_factory=dict)
    panels: int = 1
    _rows: dict[Table, dict[tuple[str, ...], list[tuple[Any, ...]]]] = field(default_factory=dict)
    _ids: dict[Table, Iterator[int]] = field(default_factory=dict)

    def number(self, connection: Connection, table: Table, count: int) -> list[int]:
        """Ids for new rows of ``table``, ascending."""
        ids = list(islice(self._ids.setdefault(table, iter(())), count))
        if missing := count - len(ids):
            self._ids[table] = reserve_ids(connection, table, missing * self.panels)
            ids += islice(self._ids[table], missing)
        return ids

    def locks(self) -> None:
        """Let go of ids that were reserved before a row is locked.

        Others may have written of it meanwhile, under higher ids; but what is written last is to
        have the highest.
        """
        self._ids.clear()
        self.panels = 1

    def add(self, table: Table, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        """Keep rows, their ids included, to be written."""
        self._rows.setdefault(table, {}).setdefault(columns, []).extend(rows)

    def names(self, statement: str) -> bool:
        """Whether a statement may ask for rows that are not written yet."""
        return any(table.name in statement for table in self._rows)

    def write(self, connection: Connection) -> None:
        """Write the rows that are kept, those first to which others refer.

        Raises:
            SQLAlchemyError: the database does not take them; the transaction is lost.
        """
        rows, self._rows = self._rows, {}
        for table in sorted(rows, key=_IN_ORDER.__getitem__):
            for columns, found in rows[table].items():
                insert_tuples(connection, table, columns, found)

    def forget(self) -> None:
        """Drop what a savepoint takes back."""
        self._rows.clear()
        self.seen.clear()


def unit_of_work(connection: Connection) -> UnitOfWork:
    """That of the connection's transaction, which begins if there is none."""
    transaction = connection.get_transaction() or connection.begin()
    unit = _found(connection)
    if unit is None or unit.transaction is not transaction:
        connection.info[_PLACE] = unit = UnitOfWork(transaction)
    return unit


@contextmanager
def undoable(connection: Connection) -> Iterator[None]:
    """A savepoint: what an error takes back is not noted either."""
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
    before.remarks.update(unit.written.remarks)
    unit.written = before


def write_in_time(engine: Engine) -> None:
    """Let rows that are kept be written before they are asked for, before a savepoint and before
    the commit; what is rolled back to a savepoint is forgotten.
    """
    event.listen(engine, "before_cursor_execute", _before_statement)
    event.listen(engine, "savepoint", _write)
    event.listen(engine, "rollback_savepoint", _forget)
    event.listen(engine, "commit", _write)


def _before_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    unit = _found(connection)
    if unit is None:
        return
    if unit.names(statement):
        _write(connection)
    if "FOR UPDATE" in statement:
        unit.locks()


def _write(connection: Connection, *_: Any) -> None:
    unit = _found(connection)
    if unit is not None and unit.transaction is connection.get_transaction():
        unit.write(connection)


def _forget(connection: Connection, *_: Any) -> None:
    if (unit := _found(connection)) is not None:
        unit.forget()


def _found(connection: Connection) -> UnitOfWork | None:
    unit: UnitOfWork | None = connection.info.get(_PLACE)
    return unit
