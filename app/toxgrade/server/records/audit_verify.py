"""Verification of the audit: each hash chain, and the digests of all stored rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, func, select, text

from toxgrade.server.records.audit_entry import Entry, read_entry
from toxgrade.server.records.audit_kept import UNREADABLE, KeptRows
from toxgrade.server.records.audit_log import (
    INSTALLATION,
    entry_hash,
    genesis,
    parse_ids,
    row_ids,
    rows_sha256,
)
from toxgrade.server.records.audit_lost import lost_rows
from toxgrade.server.records.audit_storage import misstored
from toxgrade.server.records.audit_summaries import wrong_summaries
from toxgrade.server.records.db.append import OF_INSTALLATION, OF_STUDIES, digest
from toxgrade.server.records.db.service_tables import audit, audit_heads
from toxgrade.server.records.db.tables import patients, studies

_CLOCKS_DIFFER = 2.0  # seconds that the clocks of two machines may be apart

Head = tuple[int, str]
"""The number of entries in a study's chain, and the hash of the newest."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What verification tells of a chain; ``seq`` None: it lies not at one entry.

    ``is_fault`` False: it is told, as an auditor may ask, but nothing was changed.
    """

    study: str
    seq: int | None
    what: str
    is_fault: bool = True

    def __str__(self) -> str:
        return f"{self.study}{'' if self.seq is None else f', entry {self.seq}'}: {self.what}"


def heads(connection: Connection) -> dict[str, Head]:
    """Return the head of every chain, by the study's name; the installation's is the first."""
    query = select(studies.c.name, audit_heads).outerjoin_from(
        audit_heads, studies, studies.c.id == audit_heads.c.study_id
    )
    found = {
        str(row.name) if row.study_id else INSTALLATION: (row.seq, row.hash)
        for row in connection.execute(query)
        # The installation's chain tells of a study that is gone, or that cannot have its name.
        if not row.study_id or row.name not in (None, INSTALLATION)
    }
    return dict(sorted(found.items()))


def verify(
    connection: Connection,
    now: datetime,
    trusted: Iterable[tuple[str, Head]] = (),
    graded_rows: dict[str, str] | None = None,
) -> Iterator[Remark]:
    """Yield every place where an entry or a covered row was changed, removed, added or moved.

    ``now`` decides which rows may be gone. ``trusted`` are heads that were kept elsewhere. Without
    them, a chain that somebody with full rights on the database computed anew cannot be told from
    the true one. ``graded_rows`` takes the SHA-256 of each batch's file of graded rows, as the
    newest entry has it.
    """
    found = connection.execute(select(studies.c.name, studies.c.id).order_by("name"))
    chains = [(INSTALLATION, 0), *((str(row.name), row.id) for row in found)]
    kept_heads: dict[str, dict[int, str]] = {}
    for name, (seq, newest) in trusted:
        kept_heads.setdefault(name, {})[seq] = newest
    for name in kept_heads.keys() - {name for name, _ in chains}:
        gone = max(kept_heads[name])
        yield Remark(name, None, f"the study is gone; its audit had {gone} entries")
    kept, counts = KeptRows(connection, now), Counter[Table]()
    for name, study_id in chains:
        entries: list[Entry] = []
        yield from _chain(connection, name, study_id, kept_heads.get(name, {}), entries)
        for entry in entries:
            kept.read(name, entry.at, entry.kept)
            if graded_rows is not None:
                graded_rows.update(entry.graded_rows)
        yield from _rows(connection, name, study_id, entries, counts)
        if not study_id:
            yield from _revision(connection, entries)
    yield from (Remark(INSTALLATION, None, what) for what in kept.faults())
    lost = lost_rows(connection, [study_id for _, study_id in chains], counts)
    for what in (*lost, *misstored(connection), *wrong_summaries(connection)):
        yield Remark(INSTALLATION, None, what)


def _chain(
    connection: Connection,
    name: str,
    study_id: int,
    trusted: Mapping[int, str],
    entries: list[Entry],
) -> Iterator[Remark]:
    """Verify a chain, and collect the entries that tell of rows in ``entries``."""
    last, previous, latest = 0, genesis(study_id), ""
    query = select(audit).where(audit.c.study_id == study_id).order_by(audit.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            if row.seq != last + 1:
                yield Remark(name, last + 1, "missing")
            last = row.seq if isinstance(row.seq, int) else last + 1
            entry = read_entry(row.entry)
            is_here = entry and (entry.seq, entry.study, entry.patient) == (last, name, row.patient)
            if entry is None or not is_here or entry_hash(previous, row.entry) != row.hash:
                yield Remark(name, last, "changed, or not where it was")
            else:
                if steps_back := _seconds_back(latest, entry.at):
                    what = f"no fault: the clock was {steps_back:,.0f} s behind an entry before"
                    yield Remark(name, last, what, is_fault=False)
                latest = max(latest, entry.at)
                if entry.rows or entry.kept or entry.erased or entry.schema or entry.graded_rows:
                    entries.append(entry)
            if trusted.get(last, row.hash) != row.hash:
                yield Remark(name, last, "not the entry whose hash was kept")
            previous = row.hash
    if (kept := max(trusted, default=0)) > last:
        yield Remark(name, last + 1, f"missing, with all up to {kept}")
    head = select(audit_heads.c.seq, audit_heads.c.hash).where(audit_heads.c.study_id == study_id)
    if (last, previous) != (connection.execute(head).first() or (0, genesis(study_id))):
        yield Remark(name, last, "the chain does not end with its head")


def _seconds_back(latest: str, at: str) -> float:
    """Return how far a time lies before the latest so far; 0: not, or no more than clocks differ.

    Both are texts in one format, which sort as times do.
    """
    if at >= latest:
        return 0
    seconds = (datetime.fromisoformat(latest) - datetime.fromisoformat(at)).total_seconds()
    return seconds if seconds > _CLOCKS_DIFFER else 0


def _rows(
    connection: Connection,
    name: str,
    study_id: int,
    entries: list[Entry],
    counts: Counter[Table],
) -> Iterator[Remark]:
    """Compare the rows with the entries that cover them, and find rows that none covers.

    ``counts`` takes how many rows of each table belong to the chain.
    """
    erased = {
        (table, n): bytes.fromhex(found)
        for entry in entries
        for table, rows in entry.erased.items()
        for n, found in rows.items()
    }
    tables = OF_STUDIES if study_id else OF_INSTALLATION
    covered: dict[str, set[int]] = {table.name: set() for table in tables}
    for entry in entries:
        told = {table: parse_ids(spans) for table, spans in entry.rows.items()}
        digests: dict[str, dict[int, bytes]] = {}
        owners: set[int] = set()
        for table in tables:
            ids = told.get(table.name, [])
            found = _digests(connection, table, ids, owners)
            erased_here = {n: erased[table.name, n] for n in ids if (table.name, n) in erased}
            if erased_here.keys() & found:
                yield Remark(name, entry.seq, f"a row of {table.name} is there that was erased")
            if ids:
                digests[table.name] = erased_here | found
            if covered[table.name] & set(ids):
                yield Remark(name, entry.seq, f"{table.name} that an earlier entry covers")
            covered[table.name].update(ids)
        if told and rows_sha256(digests) != entry.rows_sha256:
            yield Remark(name, entry.seq, f"a row of {' or '.join(told)} is not as it was")
        # A chain's first entry covers what all patients had before there was an audit.
        is_of_one = entry.patient is not None and entry.seq > 1
        if is_of_one and _names(connection, owners) - {entry.patient}:
            yield Remark(name, entry.seq, "a row of it is another patient's than it says")
    for table in tables:
        stored = set(connection.scalars(row_ids(table, study_id)))
        counts[table] += len(stored)
        if added := stored - covered[table.name]:
            yield Remark(name, None, f"{len(added)} rows of {table.name} that no entry covers")


def _revision(connection: Connection, entries: list[Entry]) -> Iterator[Remark]:
    """Compare the revision of the schema with the newest migration's."""
    told = [entry.schema for entry in entries if entry.schema][-1:]
    if [*connection.scalars(text("SELECT version_num FROM alembic_version"))] != told:
        yield Remark(INSTALLATION, None, "the schema's revision is not that of the last migration")


def _digests(
    connection: Connection, table: Table, ids: list[int], owners: set[int]
) -> dict[int, bytes]:
    """Return the digests of rows by their ids; put the ids of their patients into ``owners``."""
    found: dict[int, bytes] = {}
    for start in range(0, len(ids), 500):
        for row in _readable(connection, table, ids[start : start + 500]):
            found[row["id"]] = digest(dict(row))
            owners.update([row["patient_id"]] if "patient_id" in row else ())
    return found


def _readable(connection: Connection, table: Table, ids: list[int]) -> Sequence[RowMapping]:
    """Return the rows that can be read: SQLite keeps in any column what is put there."""
    try:
        return connection.execute(select(table).where(table.c.id.in_(ids))).mappings().all()
    except UNREADABLE:
        half = len(ids) // 2
        if not half:
            return []
        parts = (_readable(connection, table, part) for part in (ids[:half], ids[half:]))
        return [row for part in parts for row in part]


def _names(connection: Connection, patient_ids: set[int]) -> set[str]:
    """Return the pseudonyms of two of the patients; in one entry of a patient there is only one."""
    some = [n for n in patient_ids if isinstance(n, int)][:2]
    return set(connection.scalars(select(patients.c.name).where(patients.c.id.in_(some))))


def count(connection: Connection) -> int:
    """Return the number of audit entries of all studies."""
    return connection.scalar(select(func.count()).select_from(audit)) or 0
