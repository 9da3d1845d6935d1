"""The audit: one chain per study of who did what; nothing in it can change without being found.

Each entry is a JSON text; its hash is the SHA-256 of the previous entry's hash and that text. An
entry of a write holds the numbers of the rows it added and one hash over their digests, so results
and grades are covered too. The newest hash of a study, its head, is kept beside the chain; keep it
elsewhere as well (``toxgrade audit head``), for whoever may rewrite a database may rewrite a chain.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, text, update

from toxgrade.server.records.db.append import COVERED, digest, pop_written
from toxgrade.server.records.db.engine import transaction
from toxgrade.server.records.db.service_tables import audit, audit_heads
from toxgrade.server.records.db.tables import patients, studies
from toxgrade.server.records.db.unit_of_work import Written
from toxgrade.server.records.studies import Study

_encode = msgspec.json.Encoder(order="sorted").encode

# Built once, as all that every group of panels runs through.
_STUDIES = select(studies.c.name, studies.c.id).where(
    studies.c.name.in_(bindparam("names", expanding=True))
)
_HEADS = (
    _STUDIES.add_columns(audit_heads.c.seq, audit_heads.c.hash)
    .join(audit_heads, audit_heads.c.study_id == studies.c.id)
    .order_by(studies.c.id)
    .with_for_update(of=audit_heads)
)
_ENTER = insert(audit)
_MOVE = update(audit_heads).where(audit_heads.c.study_id == bindparam("of_study"))


@dataclass(frozen=True, slots=True)
class AuditAction:
    """What was done: by whom, through what, in which study, to which patient (None: to all).

    ``source`` is the caller's address and ``request`` the number of the request, None where there
    is none.
    """

    actor: str
    action: str
    study: str
    patient: str | None = None
    source: str | None = None
    request: str | None = None
    outcome: str = "done"


def write_entries(connection: Connection, acts: Sequence[tuple[AuditAction, Written]]) -> None:
    """Append an entry for each act whose study there is, in the transaction of what was done.

    Heads are locked last and in the order of their studies, so that several processes neither fork
    a chain nor wait for each other in a circle.
    """
    heads = _lock_heads(connection, {act.study for act, _ in acts})
    entries, moved = [], []
    by_study = sorted((a for a in acts if a[0].study in heads), key=lambda a: heads[a[0].study])
    for name, found in groupby(by_study, key=lambda a: a[0].study):
        study_id, seq, head = heads[name]
        for act, written in found:
            seq += 1
            if seq == 1:
                _add_what_was_there(connection, study_id, written, [w for _, w in acts])
            entry = _entry(seq, act, written)
            head = chained(head, entry)
            entries.append(
                {"study_id": study_id, "seq": seq, "patient": act.patient, "entry": entry,
                 "hash": head}
            )  # fmt: skip
        moved.append({"of_study": study_id, "seq": seq, "hash": head})
    if entries:
        connection.execute(_ENTER, entries)
        connection.execute(_MOVE, moved)


@contextmanager
def audited_transaction(url: str, actor: str, action: str, study: str) -> Iterator[Connection]:
    """One transaction of a command, with its entry in the audit of the study."""
    with transaction(url) as connection:
        yield connection
        write_entries(connection, [(AuditAction(actor, action, study), pop_written(connection))])


def genesis(study_id: int) -> str:
    """The hash that a study's first entry follows."""
    return hashlib.sha256(f"toxgrade audit of study {study_id}".encode()).hexdigest()


def chained(previous: str, entry: str) -> str:
    """The hash of an entry that follows the one with the hash ``previous``."""
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()


def rows_sha256(digests: Mapping[str, Mapping[int, bytes]]) -> str:
    """One hash over rows' digests, by table and number."""
    ordered = sorted((table, sorted(rows.items())) for table, rows in digests.items())
    return hashlib.sha256(b"".join(d for _, rows in ordered for _, d in rows)).hexdigest()


def ranges(ids: Sequence[int]) -> str:
    """Numbers in order as text: ``7 10-12``; ``numbers`` reads it."""
    spans: list[list[int]] = []
    for n in sorted(ids):
        if spans and spans[-1][1] == n - 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def numbers(spans: str) -> list[int]:
    """The numbers of a text that ``ranges`` wrote."""
    found: list[int] = []
    for span in spans.split():
        first, _, last = span.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def _entry(seq: int, act: AuditAction, written: Written) -> str:
    said: dict[str, Any] = {
        "seq": seq,
        "at": datetime.now(UTC).isoformat(),
        "actor": act.actor,
        "action": act.action,
        "study": act.study,
        "patient": act.patient,
        "from": act.source,
        "request": act.request,
        "outcome": act.outcome,
        **written.remarks,
    }
    if written.digests:
        said["rows"] = {table: ranges(list(rows)) for table, rows in written.digests.items()}
        said["rows_sha256"] = rows_sha256(written.digests)
    return _encode(said).decode()


def _lock_heads(connection: Connection, names: set[str]) -> dict[str, tuple[int, int, str]]:
    """Of each study that there is, by name: its number, and its newest entry's number and hash."""

    def read() -> dict[str, tuple[int, int, str]]:
        heads = connection.execute(_HEADS, {"names": list(names)})
        return {row.name: (row.id, row.seq, row.hash) for row in heads}

    found = read()
    if names == found.keys():
        return found
    new = connection.execute(_STUDIES, {"names": list(names - found.keys())}).all()
    if not new:
        return found
    first = text(
        "INSERT INTO audit_heads (study_id, seq, hash) VALUES (:n, 0, :h) ON CONFLICT DO NOTHING"
    )
    connection.execute(first, [{"n": n, "h": genesis(n)} for n in sorted(row.id for row in new)])
    return read()


def _add_what_was_there(
    connection: Connection, study_id: int, written: Written, others: Sequence[Written]
) -> None:
    """Let a study's first entry cover what was stored before there was an audit."""
    mine = select(patients.c.id).where(patients.c.study_id == study_id)
    for table in COVERED:
        of_study = (
            table.c.study_id == study_id if "study_id" in table.c else table.c.patient_id.in_(mine)
        )
        by_others = {n for each in others for n in each.digests.get(table.name, {})}
        rows = connection.execute(select(table).where(of_study)).mappings()
        if found := {row["id"]: digest(dict(row)) for row in rows if row["id"] not in by_others}:
            written.digests.setdefault(table.name, {}).update(found)


def list_entries(
    connection: Connection, study: Study, patient: str | None, limit: int, after: int
) -> list[dict[str, Any]]:
    """Up to ``limit`` entries after the one numbered ``after``; of one patient if one is given."""
    query = select(audit.c.entry, audit.c.hash).where(audit.c.study_id == study.id)
    if patient is not None:
        query = query.where(audit.c.patient == patient)
    ordered = query.where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return [json.loads(row.entry) | {"hash": row.hash} for row in connection.execute(ordered)]
