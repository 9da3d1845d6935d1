"""Is the audit whole, and do the stored rows say what it says they said?"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from toxgrade.server.records.audit_log import chained, genesis, numbers, rows_sha256
from toxgrade.server.records.db.append import COVERED, digest
from toxgrade.server.records.db.service_tables import audit, audit_heads
from toxgrade.server.records.db.tables import patients, studies

Head = tuple[int, str]
"""How many entries a study's chain has, and the hash of the newest."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the audit of a study does not hold; ``seq`` None: not at one entry."""

    study: str
    seq: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.study}{'' if self.seq is None else f', entry {self.seq}'}: {self.what}"


def heads(connection: Connection) -> dict[str, Head]:
    """The head of every study that has an audit, by name."""
    query = select(studies.c.name, audit_heads.c.seq, audit_heads.c.hash).join(audit_heads)
    return {row.name: (row.seq, row.hash) for row in connection.execute(query.order_by("name"))}


def verify(connection: Connection, kept: Mapping[str, Head] | None = None) -> Iterator[Broken]:
    """Every place where an entry or a covered row was changed, removed, added or moved.

    ``kept`` are heads that were kept elsewhere: without one, a chain that somebody with the
    database's own rights computed anew is not told from the true one.
    """
    known = {row.name: row.id for row in connection.execute(select(studies).order_by("name"))}
    now = heads(connection)
    for name, head in (kept or {}).items():
        if name not in known:
            yield Broken(name, None, f"the study is gone; its audit had {head[0]} entries")
    for name, study_id in known.items():
        entries: list[dict[str, Any]] = []
        yield from _chain(connection, name, study_id, (kept or {}).get(name), now, entries)
        yield from _rows(connection, name, study_id, entries)


def _chain(
    connection: Connection,
    name: str,
    study_id: int,
    kept: Head | None,
    now: Mapping[str, Head],
    entries: list[dict[str, Any]],
) -> Iterator[Broken]:
    """Follow a study's chain; the entries that say something of rows are put into ``entries``."""
    last, previous = 0, genesis(study_id)
    query = select(audit).where(audit.c.study_id == study_id).order_by(audit.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            if row.seq != last + 1:
                yield Broken(name, last + 1, "missing")
            entry = _read(row.entry)
            said = (entry.get("seq"), entry.get("study"), entry.get("patient"))
            if chained(previous, row.entry) != row.hash or said != (row.seq, name, row.patient):
                yield Broken(name, row.seq, "changed, or not where it was")
            if kept and kept[0] == row.seq and kept[1] != row.hash:
                yield Broken(name, row.seq, "not the entry whose hash was kept")
            if "rows" in entry or "erased" in entry:
                entries.append(entry)
            last, previous = row.seq, row.hash
    if kept and kept[0] > last:
        yield Broken(name, last + 1, f"missing, with all up to {kept[0]}")
    if (last, previous) != now.get(name, (0, genesis(study_id))):
        yield Broken(name, last, "the chain does not end with its head")


def _rows(
    connection: Connection, name: str, study_id: int, entries: list[dict[str, Any]]
) -> Iterator[Broken]:
    """Hold the rows to the entries that cover them, and look for rows that none covers."""
    erased = {
        (table, int(n)): bytes.fromhex(found)
        for entry in entries
        for table, rows in entry.get("erased", {}).items()
        for n, found in rows.items()
    }
    covered: dict[str, set[int]] = {table.name: set() for table in COVERED}
    for entry in entries:
        wanted = {table: numbers(spans) for table, spans in entry.get("rows", {}).items()}
        digests: dict[str, dict[int, bytes]] = {}
        for table in COVERED:
            ids = wanted.get(table.name, [])
            found = _digests(connection, table, ids)
            gone = {n: erased[table.name, n] for n in ids if (table.name, n) in erased}
            if ids:
                digests[table.name] = gone | found
            if covered[table.name] & set(ids):
                yield Broken(name, entry["seq"], f"{table.name} that an earlier entry covers")
            covered[table.name].update(ids)
        if wanted and rows_sha256(digests) != entry.get("rows_sha256"):
            yield Broken(name, entry["seq"], f"a row of {' or '.join(wanted)} is not as it was")
    for table in COVERED:
        there = set(connection.scalars(_ids(table, study_id)))
        if added := there - covered[table.name]:
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
    """How many entries there are in all."""
    return connection.scalar(select(func.count()).select_from(audit)) or 0


def _read(entry: str) -> dict[str, Any]:
    """An entry; empty where it is no longer JSON, which its hash shows too."""
    try:
        found = json.loads(entry)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
