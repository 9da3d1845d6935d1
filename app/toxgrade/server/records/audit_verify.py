"""Verification of the audit: each hash chain, and the digests of all stored rows."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from toxgrade.server.records.audit_kept import KeptRows
from toxgrade.server.records.audit_log import (
    INSTALLATION,
    entry_hash,
    genesis,
    parse_ids,
    row_ids,
    rows_sha256,
)
from toxgrade.server.records.db.append import OF_INSTALLATION, OF_STUDIES, append_now, digest
from toxgrade.server.records.db.service_tables import audit, audit_heads, verifications
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
        row.name or INSTALLATION: (row.seq, row.hash)
        for row in connection.execute(query)
        if row.name or row.study_id == 0  # The installation's chain tells of a study that is gone.
    }
    return dict(sorted(found.items()))


def verify(connection: Connection, trusted: Iterable[tuple[str, Head]] = ()) -> Iterator[Remark]:
    """Yield every place where an entry or a covered row was changed, removed, added or moved.

    ``trusted`` are heads that were kept elsewhere. Without them, a chain that somebody with full
    rights on the database computed anew cannot be told from the true one.
    """
    found = connection.execute(select(studies).order_by("name"))
    study_ids = {INSTALLATION: 0} | {row.name: row.id for row in found}
    current = heads(connection)
    kept_heads: dict[str, dict[int, str]] = {}
    for name, (seq, newest) in trusted:
        kept_heads.setdefault(name, {})[seq] = newest
    for name in kept_heads.keys() - study_ids.keys():
        gone = max(kept_heads[name])
        yield Remark(name, None, f"the study is gone; its audit had {gone} entries")
    kept = KeptRows(connection)
    for name, study_id in study_ids.items():
        entries: list[dict[str, Any]] = []
        yield from _chain(connection, name, study_id, kept_heads.get(name, {}), current, entries)
        for entry in entries:
            kept.read(name, entry)
        yield from _rows(connection, name, study_id, entries)
        if not study_id:
            yield from _revision(connection, entries)
    yield from (Remark(INSTALLATION, None, what) for what in kept.faults())


def _chain(
    connection: Connection,
    name: str,
    study_id: int,
    trusted: Mapping[int, str],
    current: Mapping[str, Head],
    entries: list[dict[str, Any]],
) -> Iterator[Remark]:
    """Verify a chain, and collect the entries that tell of rows in ``entries``."""
    last, previous, latest = 0, genesis(study_id), ""
    query = select(audit).where(audit.c.study_id == study_id).order_by(audit.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            if row.seq != last + 1:
                yield Remark(name, last + 1, "missing")
            entry = _read(row.entry)
            key = (entry.get("seq"), entry.get("study"), entry.get("patient"))
            if entry_hash(previous, row.entry) != row.hash or key != (row.seq, name, row.patient):
                yield Remark(name, row.seq, "changed, or not where it was")
            elif steps_back := _seconds_back(latest, entry["at"]):
                what = f"told, no fault: the clock was {steps_back:,.0f} s behind an entry before"
                yield Remark(name, row.seq, what, is_fault=False)
            else:
                latest = entry["at"]
            if trusted.get(row.seq, row.hash) != row.hash:
                yield Remark(name, row.seq, "not the entry whose hash was kept")
            if entry.keys() & {"rows", "erased", "kept", "schema"}:
                entries.append(entry)
            last, previous = row.seq, row.hash
    if (kept := max(trusted, default=0)) > last:
        yield Remark(name, last + 1, f"missing, with all up to {kept}")
    if (last, previous) != current.get(name, (0, genesis(study_id))):
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
    connection: Connection, name: str, study_id: int, entries: list[dict[str, Any]]
) -> Iterator[Remark]:
    """Compare the rows with the entries that cover them, and find rows that none covers."""
    erased = {
        (table, int(n)): bytes.fromhex(found)
        for entry in entries
        for table, rows in entry.get("erased", {}).items()
        for n, found in rows.items()
    }
    tables = OF_STUDIES if study_id else OF_INSTALLATION
    covered: dict[str, set[int]] = {table.name: set() for table in tables}
    for entry in entries:
        told = {table: parse_ids(spans) for table, spans in entry.get("rows", {}).items()}
        digests: dict[str, dict[int, bytes]] = {}
        owners: set[int] = set()
        for table in tables:
            ids = told.get(table.name, [])
            found = _digests(connection, table, ids, owners)
            erased_here = {n: erased[table.name, n] for n in ids if (table.name, n) in erased}
            if ids:
                digests[table.name] = erased_here | found
            if covered[table.name] & set(ids):
                yield Remark(name, entry["seq"], f"{table.name} that an earlier entry covers")
            covered[table.name].update(ids)
        if told and rows_sha256(digests) != entry.get("rows_sha256"):
            yield Remark(name, entry["seq"], f"a row of {' or '.join(told)} is not as it was")
        # A chain's first entry covers what all patients had before there was an audit.
        is_of_one = entry.get("patient") is not None and entry["seq"] > 1
        if is_of_one and _names(connection, owners) - {entry["patient"]}:
            yield Remark(name, entry["seq"], "a row of it is another patient's than it says")
    for table in tables:
        stored = set(connection.scalars(row_ids(table, study_id)))
        if added := stored - covered[table.name]:
            yield Remark(name, None, f"{len(added)} rows of {table.name} that no entry covers")


def _revision(connection: Connection, entries: list[dict[str, Any]]) -> Iterator[Remark]:
    """Compare the revision of the schema with the newest migration's."""
    told = [entry["schema"] for entry in entries if "schema" in entry][-1:]
    if [*connection.scalars(text("SELECT version_num FROM alembic_version"))] != told:
        yield Remark(INSTALLATION, None, "the schema's revision is not that of the last migration")


def _digests(
    connection: Connection, table: Table, ids: list[int], owners: set[int]
) -> dict[int, bytes]:
    """Return the digests of rows by their ids; put the ids of their patients into ``owners``."""
    found: dict[int, bytes] = {}
    for start in range(0, len(ids), 500):
        chunk = select(table).where(table.c.id.in_(ids[start : start + 500]))
        for row in connection.execute(chunk).mappings():
            found[row["id"]] = digest(dict(row))
            owners.update([row["patient_id"]] if "patient_id" in row else ())
    return found


def _names(connection: Connection, patient_ids: set[int]) -> set[str]:
    """Return the pseudonyms of two of the patients; in one entry of a patient there is only one."""
    some = sorted(patient_ids)[:2]
    return set(connection.scalars(select(patients.c.name).where(patients.c.id.in_(some))))


def graded_rows(connection: Connection) -> dict[str, str]:
    """Return the SHA-256 of each batch's file of graded rows, as the newest entry has it."""
    found: dict[str, str] = {}
    telling = select(audit.c.entry).where(audit.c.entry.contains('"graded_rows":'))
    for entry in map(_read, connection.scalars(telling.order_by(audit.c.id))):
        found |= entry.get("graded_rows", {})
    return found


def record_verification(connection: Connection, entries: int, faults: int) -> None:
    """Record that the audit was verified just now, and what was found."""
    row = {"entries": entries, "faults": faults, "recorded_at": datetime.now(UTC)}
    append_now(connection, verifications, row)


def verified_at(connection: Connection) -> datetime | None:
    """Return when the audit was last verified; None: never."""
    latest: datetime | None = connection.scalar(select(func.max(verifications.c.recorded_at)))
    return latest


def count(connection: Connection) -> int:
    """Return the number of audit entries of all studies."""
    return connection.scalar(select(func.count()).select_from(audit)) or 0


def _read(entry: str) -> dict[str, Any]:
    """Return an entry; empty if it is no longer JSON, in which case its hash is wrong too."""
    try:
        found = json.loads(entry)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
