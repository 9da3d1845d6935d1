"""The audit: hash chains of who did what, in which any change can be detected.

Each study has a chain, and the installation has one for what belongs to no study: its studies and
keys, sign-ins and migrations.

Each entry is a JSON text; its hash is the SHA-256 of the previous entry's hash and that text. An
entry of a write holds the ids of the rows it added and one hash over their digests, so that every
stored row is covered too. A chain's newest hash, its head, is stored beside it; keep a copy
elsewhere (``toxgrade audit head``), because whoever can rewrite the database can rewrite the chain.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Select, Table, bindparam, insert, select, text, update

from toxgrade.server.records.audit_entry import ListedEntry
from toxgrade.server.records.db.append import OF_INSTALLATION, OF_STUDIES, digest
from toxgrade.server.records.db.direct import IsOneOf, Prepared
from toxgrade.server.records.db.service_tables import audit, audit_heads, batch_rejects, batches
from toxgrade.server.records.db.tables import patients, studies
from toxgrade.server.records.db.transaction import Transaction, Written, begin, transaction
from toxgrade.server.runtime import MACHINE, Runtime

INSTALLATION = "*"
"""Stands for the installation where the chain of a study is named."""

_encode = msgspec.json.Encoder(order="sorted").encode

_NAMED = select(studies.c.name, studies.c.id).where(IsOneOf(studies.c.name, "names"))
_STUDY_IDS = Prepared(_NAMED)
_HEADS = Prepared(
    _NAMED.add_columns(audit_heads.c.seq, audit_heads.c.hash)
    .join(audit_heads, audit_heads.c.study_id == studies.c.id)
    .order_by(studies.c.id)
    .with_for_update(of=audit_heads)
)
_INSTALLATION_HEAD = (
    select(audit_heads.c.seq, audit_heads.c.hash)
    .where(audit_heads.c.study_id == 0)
    .with_for_update()
)
_ADD_HEAD = text(
    "INSERT INTO audit_heads (study_id, seq, hash) VALUES (:n, 0, :h) ON CONFLICT DO NOTHING"
)
_INSERT_ENTRIES = Prepared(insert(audit), "study_id", "seq", "patient", "entry", "hash")
_UPDATE_HEADS = Prepared(
    update(audit_heads).where(audit_heads.c.study_id == bindparam("of_study")), "seq", "hash"
)


@dataclass(frozen=True, slots=True)
class AuditAction:
    """What was done: by whom, by which request or command, in which study, to whom (None: all).

    ``study`` is ``INSTALLATION`` for what belongs to no study.
    ``source`` is the caller's address and ``request`` the id of the request; None where there is
    none.
    """

    actor: str
    action: str
    study: str
    patient: str | None = None
    source: str | None = None
    request: str | None = None
    outcome: str = "done"


def write_entries(transaction: Transaction, acts: Sequence[tuple[AuditAction, Written]]) -> None:
    """Append an entry for each act whose study exists, in the transaction of the act itself.

    Rows that belong to the installation get an entry in its chain too. Heads are locked last and in
    the order of their studies, the installation's after them, so that several processes neither
    fork a chain nor deadlock.
    """
    acts = [*acts, *_of_installation(acts)]
    connection = transaction.read()
    heads = _lock_heads(connection, {act.study for act, _ in acts})
    entries, new_heads = [], []
    by_study = sorted((a for a in acts if a[0].study in heads), key=lambda a: heads[a[0].study])
    for name, found in groupby(by_study, key=lambda a: a[0].study):
        study_id, seq, head = heads[name]
        for act, written in found:
            seq += 1
            if seq == 1:
                _cover_earlier_rows(connection, study_id, written, [w for _, w in acts])
            entry = _entry(seq, transaction.runtime.now(), act, written)
            head = entry_hash(head, entry)
            entries.append(
                {"study_id": study_id, "seq": seq, "patient": act.patient, "entry": entry,
                 "hash": head}
            )  # fmt: skip
        new_heads.append({"of_study": study_id, "seq": seq, "hash": head})
    if entries:
        _INSERT_ENTRIES.many(connection, entries)
        _UPDATE_HEADS.many(connection, new_heads)


@contextmanager
def audited(engine: Engine, runtime: Runtime, act: AuditAction) -> Iterator[Transaction]:
    """Open one transaction, add the entry of what was done in it, and commit it at the end."""
    with begin(engine, runtime) as opened:
        yield opened
        write_entries(opened, [(act, opened.pop_written())])


@contextmanager
def audited_transaction(
    url: str, actor: str, action: str, study: str, runtime: Runtime = MACHINE
) -> Iterator[Transaction]:
    """Open one transaction of a command, and add its entry to the audit of the study."""
    with transaction(url, runtime) as opened:
        yield opened
        write_entries(opened, [(AuditAction(actor, action, study), opened.pop_written())])


def genesis(study_id: int) -> str:
    """Return the hash that a study's first entry follows."""
    return hashlib.sha256(f"toxgrade audit of study {study_id}".encode()).hexdigest()


def entry_hash(previous: str, entry: str) -> str:
    """Return the hash of an entry that follows the one with the hash ``previous``."""
    return hashlib.sha256(f"{previous}\n{entry}".encode()).hexdigest()


def rows_sha256(digests: Mapping[str, Mapping[int, bytes]]) -> str:
    """Return one hash over the digests of rows, ordered by table and id."""
    ordered = sorted((table, sorted(rows.items())) for table, rows in digests.items())
    return hashlib.sha256(b"".join(d for _, rows in ordered for _, d in rows)).hexdigest()


def format_ids(ids: Sequence[int]) -> str:
    """Return ids in order as text, such as ``7 10-12``; ``parse_ids`` reads it."""
    spans: list[list[int]] = []
    for n in sorted(ids):
        if spans and spans[-1][1] == n - 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def parse_ids(spans: str) -> list[int]:
    """Return the ids of a text that ``format_ids`` wrote."""
    found: list[int] = []
    for span in spans.split():
        first, _, last = span.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def _entry(seq: int, at: datetime, act: AuditAction, written: Written) -> str:
    """Return the JSON of an entry."""
    entry: dict[str, Any] = {
        "seq": seq,
        "at": at.isoformat(),
        "actor": act.actor,
        "action": act.action,
        "study": act.study,
        "patient": act.patient,
        "from": act.source,
        "request": act.request,
        "outcome": act.outcome,
        **written.notes,
    }
    if written.kept:
        entry["kept"] = written.kept
    if written.digests:
        entry["rows"] = {table: format_ids(list(rows)) for table, rows in written.digests.items()}
        entry["rows_sha256"] = rows_sha256(written.digests)
    return _encode(entry).decode()


def _of_installation(
    acts: Sequence[tuple[AuditAction, Written]],
) -> Iterator[tuple[AuditAction, Written]]:
    """Take the rows of the installation out of acts in studies, as acts of their own."""
    for act, written in acts:
        names = [table.name for table in OF_INSTALLATION if table.name in written.digests]
        if names and act.study != INSTALLATION:
            taken = {name: written.digests.pop(name) for name in names}
            yield replace(act, study=INSTALLATION, patient=None), Written(taken)


def _lock_heads(connection: Connection, names: set[str]) -> dict[str, tuple[int, int, str]]:
    """Lock the heads of chains; by name: the study's id, its newest entry's number and hash."""
    of_studies = names - {INSTALLATION}

    def read() -> dict[str, tuple[int, int, str]]:
        heads = _HEADS.rows(connection, {"names": of_studies})
        return {name: (study_id, seq, head) for name, study_id, seq, head in heads}

    found = read() if of_studies else {}
    missing = of_studies - found.keys()
    if new := missing and _STUDY_IDS.rows(connection, {"names": missing}):
        ids = sorted(study_id for _, study_id in new)
        connection.execute(_ADD_HEAD, [{"n": n, "h": genesis(n)} for n in ids])
        found = read()
    if INSTALLATION in names:
        connection.execute(_ADD_HEAD, {"n": 0, "h": genesis(0)})
        head = connection.execute(_INSTALLATION_HEAD).one()
        found[INSTALLATION] = (0, head.seq, head.hash)
    return found


def _cover_earlier_rows(
    connection: Connection, study_id: int, written: Written, others: Sequence[Written]
) -> None:
    """Make a chain's first entry cover the rows that were stored before there was an audit."""
    for table in OF_STUDIES if study_id else OF_INSTALLATION:
        by_others = {n for each in others for n in each.digests.get(table.name, {})}
        query = select(table).where(table.c.id.in_(row_ids(table, study_id)))
        rows = connection.execute(query).mappings()
        if found := {row["id"]: digest(dict(row)) for row in rows if row["id"] not in by_others}:
            written.digests.setdefault(table.name, {}).update(found)


def row_ids(table: Table, study_id: int) -> Select[tuple[int]]:
    """Return a query for the ids of a table's rows that a study's chain covers; 0: all of them."""
    if not study_id:
        return select(table.c.id)
    if "study_id" in table.c:
        return select(table.c.id).where(table.c.study_id == study_id)
    if table is batch_rejects:
        return select(table.c.id).join(batches).where(batches.c.study_id == study_id)
    return select(table.c.id).join(patients).where(patients.c.study_id == study_id)


def list_entries(
    connection: Connection, study_id: int, patient: str | None, limit: int, after: int
) -> list[ListedEntry]:
    """Return up to ``limit`` entries of a study's chain (0: the installation's) after number
    ``after``, of one patient if one is given.
    """
    query = select(audit.c.entry, audit.c.hash).where(audit.c.study_id == study_id)
    if patient is not None:
        query = query.where(audit.c.patient == patient)
    ordered = query.where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return [json.loads(row.entry) | {"hash": row.hash} for row in connection.execute(ordered)]
