"""Preconditions of a request: an idempotency key, under which it takes effect once, and If-Match.

A key, its effect and its answer are written in one transaction, so that none exists without the
others. A second request with the same key waits at the key's row and gets the first one's answer.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, func, select, text, tuple_, update

from toxgrade.errors import FieldFault, NotFound, RequestError, Stale
from toxgrade.server.records.audit_kept import drop, keep
from toxgrade.server.records.db.append import RECORDS
from toxgrade.server.records.db.service_tables import KEPT_HOURS
from toxgrade.server.records.db.service_tables import idempotency_keys as table
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.patients import lock_patient_row
from toxgrade.server.records.studies import Study, lock_study

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request that must take effect once: its caller, its key and its SHA-256."""

    caller: str
    key: str
    request_sha256: str
    study: str | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent; ``replayed``: an earlier request with the same key got it."""

    status: int
    body: bytes
    replayed: bool = False


class Claims:
    """The idempotency keys that one transaction holds, and the answers to earlier requests."""

    def __init__(self, transaction: Transaction, wanted: Iterable[IdempotencyKey]) -> None:
        """Claim keys in a fixed order; wait for transactions that store under one of them."""
        self._transaction = transaction
        requests = {(request.caller, request.key): request for request in wanted}
        self._known: dict[tuple[str, str], tuple[str, Answer | None]] = {}
        self._claimed: dict[tuple[str, str], dict[str, Any]] = {}
        self._new: list[dict[str, Any]] = []
        if requests:
            for row in _claim(transaction, [requests[key] for key in sorted(requests)]):
                earlier = None if row.status is None else Answer(row.status, row.answer, True)
                self._known[row.caller, row.key] = (row.request_sha256, earlier)
                self._claimed[row.caller, row.key] = row._asdict()

    def answer(self, request: IdempotencyKey) -> Answer | None:
        """Return the answer to an earlier request with this key; None: this is the first.

        Raises:
            RequestError: the earlier request had other content.
        """
        request_sha256, earlier = self._known[request.caller, request.key]
        if request_sha256 != request.request_sha256:
            where = ("header", "Idempotency-Key")
            fault = FieldFault(where, "key-reused", "expected a new key for another request")
            raise RequestError("this key came with another request before", [fault])
        return earlier

    def is_new(self, request: IdempotencyKey | None) -> bool:
        """Return whether no earlier request with this key has an answer; without a key, True."""
        return request is None or self._known[request.caller, request.key][1] is None

    def keep(self, request: IdempotencyKey, answer: Answer) -> None:
        """Keep the answer for later requests with the same key."""
        replay = Answer(answer.status, answer.body, replayed=True)
        self._known[request.caller, request.key] = (request.request_sha256, replay)
        answered = {"status": answer.status, "answer": answer.body}
        self._new.append({"of_caller": request.caller, "of_key": request.key} | answered)
        keep(self._transaction, table, self._claimed[request.caller, request.key] | answered)

    def write(self) -> None:
        """Write the kept answers, before the transaction is committed."""
        if self._new:
            same = (table.c.caller == bindparam("of_caller")) & (table.c.key == bindparam("of_key"))
            self._transaction.connection.execute(update(table).where(same), self._new)


def forget_old_answers(transaction: Transaction) -> None:
    """Delete the answers that are older than ``KEPT_HOURS``."""
    cutoff = transaction.runtime.now() - timedelta(hours=KEPT_HOURS)
    transaction.connection.execute(delete(table).where(table.c.recorded_at < cutoff))


def forget_answers_about(transaction: Transaction, study: str, patient: str) -> None:
    """Delete the answers that hold values of a patient."""
    of_patient = (table.c.study == study, table.c.patient == patient)
    found = delete(table).where(*of_patient).returning(table.c.caller, table.c.key)
    for row in transaction.connection.execute(found).mappings().all():
        drop(transaction, table, dict(row))


def _claim(transaction: Transaction, wanted: list[IdempotencyKey]) -> Iterable[Row[Any]]:
    insert_keys = text(
        "INSERT INTO idempotency_keys (caller, key, request_sha256, study, patient, recorded_at)"
        " VALUES (:caller, :key, :request_sha256, :study, :patient, :recorded_at)"
        " ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("recorded_at", type_=table.c.recorded_at.type))
    now = transaction.runtime.now()
    rows = [
        {"caller": request.caller, "key": request.key, "request_sha256": request.request_sha256,
         "study": request.study, "patient": request.patient, "recorded_at": now}
        for request in wanted
    ]  # fmt: skip
    transaction.connection.execute(insert_keys, rows)
    keys = tuple_(table.c.caller, table.c.key)
    query = select(table).where(keys.in_([(request.caller, request.key) for request in wanted]))
    return transaction.connection.execute(query).all()


def tag(connection: Connection, study: Study, patient_id: int | None = None) -> str:
    """Return an entity tag of a patient's rows, or (None) of the study's rules and ranges."""
    owner, number = ("study_id", study.id) if patient_id is None else ("patient_id", patient_id)
    newest = [
        select(func.max(table.c.id + 0))  # A sum, as in ``newest_first``.
        .where(table.c[owner] == number)
        .scalar_subquery()
        for table in RECORDS
        if owner in table.c
    ]
    row = connection.execute(select(*newest)).one()
    return f'"{hashlib.sha256(str((owner, number, *row)).encode()).hexdigest()[:20]}"'


def unless_stale(
    job: Callable[[Transaction], T], study: str, patient: str | None, expected: str
) -> Callable[[Transaction], T]:
    """Return the job, which then locks the patient or (None) the study, and refuses to go on unless
    ``expected``, of ``If-Match``, names its tag.

    The job raises:
        NotFound: there is no such study.
        Stale: the state has changed since it was read, or there is no such patient.
    """

    def run(transaction: Transaction) -> T:
        _require_tag(transaction, study, patient, expected)
        return job(transaction)

    return run


def _require_tag(transaction: Transaction, study: str, patient: str | None, expected: str) -> None:
    study_row = lock_study(transaction, study, to_change=patient is None)
    try:
        patient_id = None if patient is None else lock_patient_row(transaction, study_row, patient)
    except NotFound:
        raise Stale("there is no such patient") from None
    wanted = {given.strip() for given in expected.split(",")}
    if not wanted & {"*", tag(transaction.read(), study_row, patient_id)}:
        raise Stale("it has changed since it was read: read it again, and decide again")
