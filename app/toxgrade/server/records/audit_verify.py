"""Verification of the audit: the hash chain of each study, and the digests of all stored rows."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from toxgrade.server.records.audit_log import entry_hash, genesis, parse_ids, rows_sha256
from toxgrade.server.records.db.append import COVERED, digest
from toxgrade.server.records.db.service_tables import audit, audit_heads
from toxgrade.server.records.db.tables import patients, studies

Head = tuple[int, str]
"""The number of entries in a study's chain, and the hash of the newest."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault in the audit of a study; ``seq`` None: it lies not at one entry."""

    study: str
    seq: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.study}{'' if self.seq is None else f', entry {self.seq}'}: {self.what}"


def heads(connection: Connection) -> dict[str, Head]:
    """Return the head of every study that has an audit, by the study's name."""
    query = select(studies.c.name, audit_heads.c.seq, audit_heads.c.hash).join(audit_heads)
    return {row.name: (row.seq, row.hash) for row in connection.execute(query.order_by("name"))}


def verify(connection: Connection, trusted: Mapping[str, Head] | None = None) -> Iterator[Broken]:
    """Yield every place where an entry or a covered row was changed, removed, added or moved.

    ``trusted`` are heads that were kept elsewhere. Without them, a chain that somebody with full
    rights on the database computed anew cannot be told from the true one.
    """
    study_ids = {row.name: row.id for row in connection.execute(select(studies).order_by("name"))}
    current = heads(connection)
    for name, head in (trusted or {}).items():
        if name not in study_ids:
            yield Broken(name, None, f"the study is gone; its audit had {head[0]} entries")
    for name, study_id in study_ids.items():
        entries: list[dict[str, Any]] = []
        yield from _chain(connection, name, study_id, (trusted or {}).get(name), current, entries)
        yield from _rows(connection, name, study_id, entries)


def _chain(
    connection: Connection,
    name: str,
    study_id: int,
    trusted: Head | None,
    current: Mapping[str, Head],
    entries: list[dict[str, Any]],
) -> Iterator[Broken]:
    """Verify a study's chain, and collect the entries that cover or erase rows in ``entries``."""
    last, previous = 0, genesis(study_id)
    query = select(audit).where(audit.c.study_id == study_id).order_by(audit.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            if row.seq != last + 1:
                yield Broken(name, last + 1, "missing")
            entry = _read(row.entry)
            key = (entry.get("seq"), entry.get("study"), entry.get("patient"))
            if entry_hash(previous, row.entry) != row.hash or key != (row.seq, name, row.patient):
                yield Broken(name, row.seq, "changed, or not where it was")
            if trusted and trusted[0] == row.seq and trusted[1] != row.hash:
                yield Broken(name, row.seq, "not the entry whose hash was kept")
            if "rows" in entry or "erased" in entry:
                entries.append(entry)
            last, previous = row.seq, row.hash
    if trusted and trusted[0] > last:
        yield Broken(name, last + 1, f"missing, with all up to {trusted[0]}")
    if (last, previous) != current.get(name, (0, genesis(study_id))):
        yield Broken(name, last, "the chain does not end with its head")


def _rows(
    connection: Connection, name: str, study_id: int, entries: list[dict[str, Any]]
) -> Iterator[Broken]:
    """Compare the rows with the entries that cover them, and find rows that none covers."""
    erased = {
        (table, int(n)): bytes.fromhex(found)
        for entry in entries
        for table, rows in entry.get("erased", {}).items()
        for n, found in rows.items()
    }
    covered: dict[str, set[int]] = {table.name: set() for table in COVERED}
    for entry in entries:
        row_ids = {table: parse_ids(spans) for table, spans in entry.get("rows", {}).items()}
        digests: dict[str, dict[int, bytes]] = {}
        for table in COVERED:
            ids = row_ids.get(table.name, [])
            found = _digests(connection, table, ids)
            erased_here = {n: erased[table.name, n] for n in ids if (table.name, n) in erased}
            if ids:
                digests[table.name] = erased_here | found
            if covered[table.name] & set(ids):
                yield Broken(name, entry["seq"], f"{table.name} that an earlier entry covers")
            covered[table.name].update(ids)
        if row_ids and rows_sha256(digests) != entry.get("rows_sha256"):
            yield Broken(name, entry["seq"], f"a row of {' or '.join(row_ids)} is not as it was")
    for table in COVERED:
        stored = set(connection.scalars(_ids(table, study_id)))
        if added := stored - covered[table.name]:
            yield Broken(name, None, f"{len(added)} rows of {table.name} that no entry covers")


def _digests(connection: Connection, table: Table, ids: list[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(ids), 500):
        chunk = select(table).where(table.c.id.in_(ids[start : start + 500]))
        for row in connection.execute(chunk).mappings():
            found[row["id"]] = digest(dict(row))
    return found


def _ids(table: Table, study_id: int) -> Select[Any]:
    if "study_id" in table.c:
        return select(table.c.id).where(table.c.study_id == study_id)
    return select(table.c.id).join(patients).where(patients.c.study_id == study_id)


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
