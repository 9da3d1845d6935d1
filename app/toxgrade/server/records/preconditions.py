"""Exactly once: a request sent again under its key gets the answer that the first one got.

Key, effect and answer are one transaction, so that none can be there without the others; a second
request with the same key waits for the first one's transaction at the key's row.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, text, tuple_, update

from toxgrade.errors import FieldFault, NotFound, RequestError, Stale
from toxgrade.server.records.db.append import COVERED
from toxgrade.server.records.db.service_tables import idempotency_keys as table
from toxgrade.server.records.patients import lock_patient_row
from toxgrade.server.records.studies import Study, find_study, lock_study

KEPT_HOURS = 24
"""At least so long an answer is kept; afterwards a key is a new one."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request that is to take effect once: whose, under which key, and its SHA-256."""

    caller: str
    key: str
    request_sha256: str
    study: str | None = None
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was sent; ``replayed``: to an earlier request with the same key."""

    status: int
    body: bytes
    replayed: bool = False


class Claims:
    """The keys that one transaction holds, and the answers that earlier requests got."""

    def __init__(self, connection: Connection, wanted: Iterable[IdempotencyKey]) -> None:
        """Claim keys, in a fixed order; waits for whoever is storing under one of them."""
        self._connection = connection
        claims = {(once.caller, once.key): once for once in wanted}
        self._known: dict[tuple[str, str], tuple[str, Answer | None]] = {}
        self._new: list[dict[str, Any]] = []
        if claims:
            for row in _claim(connection, [claims[place] for place in sorted(claims)]):
                earlier = None if row.status is None else Answer(row.status, row.answer, True)
                self._known[row.caller, row.key] = (row.request_sha256, earlier)

    def answer(self, once: IdempotencyKey) -> Answer | None:
        """What an earlier request with this key was answered; None: this is the first.

        Raises:
            RequestError: the earlier request was another one.
        """
        request, earlier = self._known[once.caller, once.key]
        if request != once.request_sha256:
            where = ("header", "Idempotency-Key")
            fault = FieldFault(where, "key-reused", "expected a new key for another request")
            raise RequestError("this key came with another request before", [fault])
        return earlier

    def is_new(self, once: IdempotencyKey | None) -> bool:
        """Whether this request has got no answer before."""
        return once is None or self._known[once.caller, once.key][1] is None

    def keep(self, once: IdempotencyKey, answer: Answer) -> None:
        """Keep the answer for whoever asks again."""
        again = Answer(answer.status, answer.body, replayed=True)
        self._known[once.caller, once.key] = (once.request_sha256, again)
        self._new.append(
            {"of_caller": once.caller, "of_key": once.key,
             "status": answer.status, "answer": answer.body}
        )  # fmt: skip

    def write(self) -> None:
        """Write the answers that are to be kept, before the transaction is committed."""
        if self._new:
            mine = (table.c.caller == bindparam("of_caller")) & (table.c.key == bindparam("of_key"))
            self._connection.execute(update(table).where(mine), self._new)


def forget_old_answers(connection: Connection) -> None:
    """Delete the answers that have been kept for long enough."""
    until = datetime.now(UTC) - timedelta(hours=KEPT_HOURS)
    connection.execute(delete(table).where(table.c.recorded_at < until))


def _claim(connection: Connection, wanted: list[IdempotencyKey]) -> Iterable[Row[Any]]:
    claim = text(
        "INSERT INTO idempotency_keys (caller, key, request_sha256, study, patient, recorded_at)"
        " VALUES (:caller, :key, :request_sha256, :study, :patient, :recorded_at)"
        " ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("recorded_at", type_=table.c.recorded_at.type))
    now = datetime.now(UTC)
    rows = [
        {"caller": once.caller, "key": once.key, "request_sha256": once.request_sha256,
         "study": once.study, "patient": once.patient, "recorded_at": now}
        for once in wanted
    ]  # fmt: skip
    connection.execute(claim, rows)
    places = tuple_(table.c.caller, table.c.key)
    query = select(table).where(places.in_([(once.caller, once.key) for once in wanted]))
    return connection.execute(query).all()


def tag(connection: Connection, study: Study, patient_id: int | None = None) -> str:
    """An entity tag: it changes with every row added to the patient, or (None) to the study."""
    owner, number = ("study_id", study.id) if patient_id is None else ("patient_id", patient_id)
    newest = [
        select(func.max(table.c.id)).where(table.c[owner] == number).scalar_subquery()
        for table in COVERED
        if owner in table.c
    ]
    row = connection.execute(select(*newest)).one()
    return f'"{hashlib.sha256(str((owner, number, *row)).encode()).hexdigest()[:20]}"'


def require_tag(connection: Connection, study: str, patient: str | None, expected: str) -> None:
    """Refuse to go on unless the state is one that ``If-Match`` names; it stays so until the end.

    Raises:
        NotFound: no such study.
        Stale: it has changed since, or there is no such patient.
    """
    found = lock_study(connection, study, to_change=patient is None)
    try:
        number = None if patient is None else lock_patient_row(connection, found, patient)
    except NotFound:
        raise Stale("there is no such patient") from None
    wanted = {given.strip() for given in expected.split(",")}
    if not wanted & {"*", tag(connection, find_study(connection, study), number)}:
        raise Stale("it has changed since it was read: read it again, and decide again")
