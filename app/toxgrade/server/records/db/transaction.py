"""A transaction: its connection, the rows it has yet to write, and what it did for the audit.

Rows get their ids when they are appended, and are written together before the transaction reads,
and before it commits. A group of panels needs three statements this way; one for each panel and
table took half of the time of storing the group.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypedDict, TypeVar

from sqlalchemy import Connection, Engine, Table

from toxgrade.server.records.db.bulk import insert_tuples, reserve_ids
from toxgrade.server.records.db.direct import Prepared, Rows
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.runtime import MACHINE, Runtime

T = TypeVar("T")

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
class Transaction:
    """A transaction in which something is stored; ``begin`` makes one.

    ``connection`` is for statements on tables of which no row is queued; ``read`` returns it for
    all others. ``written`` is what the audit has not taken yet; ``cache`` holds what was read and
    cannot change before the transaction ends, such as rows that it locked. ``panels`` is how many
    panels it stores, and so how many times the ids of one are reserved.
    """

    connection: Connection
    runtime: Runtime
    written: Written = field(default_factory=Written)
    cache: dict[Hashable, Any] = field(default_factory=dict)
    panels: int = 1
    _rows: dict[Table, dict[tuple[str, ...], list[tuple[Any, ...]]]] = field(default_factory=dict)
    _ids: dict[Table, Iterator[int]] = field(default_factory=dict)

    def read(self) -> Connection:
        """Write the queued rows, those first to which others refer; return the connection.

        Raises:
            SQLAlchemyError: the database refuses them; the transaction cannot go on.
        """
        if self._rows:
            rows, self._rows = self._rows, {}
            for table in sorted(rows, key=_TABLE_ORDER.__getitem__):
                for columns, found in rows[table].items():
                    insert_tuples(self.connection, table, columns, found)
        return self.connection

    def read_once(self, key: Hashable, query: Callable[[Connection], T]) -> T:
        """Return what ``query`` returned under this key, which is run at most once."""
        if key not in self.cache:
            self.cache[key] = query(self.read())
        found: T = self.cache[key]
        return found

    def lock(self, rows: Prepared, parameters: Mapping[str, Any]) -> Rows:
        """Return the rows of a query that locks them, which it may have to wait for.

        Ids that PostgreSQL reserved before are dropped: meanwhile another transaction may append to
        the patient under higher ids; but the row that is written last must have the highest id.
        """
        if self.connection.dialect.name == "postgresql":
            self._ids.clear()
            self.panels = 1
        return rows.rows(self.connection, parameters)

    def take_ids(self, table: Table, count: int) -> list[int]:
        """Return ``count`` ids for new rows of ``table``, ascending."""
        ids = list(islice(self._ids.setdefault(table, iter(())), count))
        if missing := count - len(ids):
            self._ids[table] = reserve_ids(self.connection, table, missing * self.panels)
            ids += islice(self._ids[table], missing)
        return ids

    def add(self, table: Table, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
        """Queue rows, their ids included, to be written."""
        self._rows.setdefault(table, {}).setdefault(columns, []).extend(rows)

    def note(self, **facts: Any) -> None:
        """Add facts such as a reason to the audit entry of this work; never a clinical value."""
        self.written.notes.update(facts)

    def pop_written(self) -> Written:
        """Return what this transaction has written since the last call of this method."""
        written, self.written = self.written, Written()
        return written


@contextmanager
def begin(engine: Engine, runtime: Runtime) -> Iterator[Transaction]:
    """Open one transaction, and commit it at the end."""
    with engine.begin() as connection:
        transaction = Transaction(connection, runtime)
        yield transaction
        transaction.read()


@contextmanager
def transaction(
    url: str, runtime: Runtime = MACHINE, *, new: bool = False
) -> Iterator[Transaction]:
    """Open one transaction with an engine of its own, and commit it at the end."""
    engine = build_engine(url, new=new)
    try:
        with begin(engine, runtime) as opened:
            yield opened
    finally:
        engine.dispose()
