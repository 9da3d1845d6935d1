"""Batches as callers see them: created, followed, cancelled."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    bindparam,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from toxgrade.errors import Conflict, NotFound
from toxgrade.server.jobs.queue import new_task
from toxgrade.server.records.audit_kept import keep, keep_end
from toxgrade.server.records.db.service_tables import ACTIVE, batch_pieces, batch_tasks, batches
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import Study, find_study

_OF_BATCH: BindParameter[str] = bindparam("of_batch")
_ENDED = batch_tasks.c.state.in_(("done", "quarantined"))
_COUNTS = union_all(
    select(batch_tasks.c.rows, batch_tasks.c.rows_rejected, batch_tasks.c.phase_unknown).where(
        batch_tasks.c.batch_id == _OF_BATCH, _ENDED
    ),
    select(batch_pieces.c.rows, batch_pieces.c.rows_rejected, batch_pieces.c.phase_unknown)
    .join(
        batch_tasks,
        (batch_tasks.c.batch_id == batch_pieces.c.batch_id)
        & (batch_tasks.c.number == batch_pieces.c.number),
    )
    .where(batch_tasks.c.batch_id == _OF_BATCH, ~_ENDED),
)
"""What ended tasks have counted, and the pieces of those that have not ended."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Files that were received into the folder ``batch_id`` of the upload store named ``store``.

    ``sha256`` covers the files and how they are read. ``patients`` None means no patients file.
    ``reading`` holds the declared read options as JSON (None: there are none).
    """

    batch_id: str
    sha256: str
    labs: str
    patients: str | None
    store: str
    reading: str | None = None


State = Literal["queued", "running", "done", "incomplete", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come.

    ``state`` is ``queued``, ``running``, ``done``, ``incomplete`` (it ended with chunks
    quarantined), ``failed`` (the file cannot be used) or ``cancelled``. ``rows_total`` is None
    until counted; ``rows_done`` were stored or refused; ``rows_rejected`` are in the list of
    rejects. ``phase_unknown`` counts gradings with a grade or bounds, but no phase, by reason.
    ``detail`` says why a batch failed or waits. ``quarantined`` has number, rows and reason of each
    such chunk. ``reading`` holds the declared read options; ``read_as`` says how the labs were
    read, for people. That, ``software`` and ``criteria_sha256`` are None until the upload is cut.
    """

    id: str
    state: State
    detail: str | None
    rows_total: int | None
    rows_done: int
    rows_rejected: int
    phase_unknown: Mapping[str, int]
    quarantined: list[tuple[int, int, str]]
    upload_sha256: str
    reading: Mapping[str, object]
    read_as: str | None
    software: str | None
    criteria_sha256: str | None
    recorded_at: datetime
    finished_at: datetime | None


def create_batch(transaction: Transaction, study_name: str, upload: Upload) -> Progress:
    """Queue an upload, or return the equal one's batch if that is queued, running or done.

    Raises:
        NotFound: there is no such study.
    """
    connection = transaction.connection
    study = find_study(connection, study_name)
    row = {
        "id": upload.batch_id,
        "study_id": study.id,
        "upload_sha256": upload.sha256,
        "labs": upload.labs,
        "patients": upload.patients,
        "reading": upload.reading,
        "store": upload.store,
        "state": "queued",
        "recorded_at": transaction.runtime.now(),
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(batches).values(row))
    except IntegrityError:
        equal = (batches.c.study_id == study.id) & (batches.c.upload_sha256 == upload.sha256)
        live = batches.c.state.in_(("queued", "running", "done"))
        return _progress(connection, connection.execute(select(batches).where(equal, live)).one())
    keep(transaction, batches, row)
    connection.execute(insert(batch_tasks), [new_task(upload.batch_id, 0, "partition", 0)])
    return find_batch(connection, study_name, upload.batch_id)


def find_batch(connection: Connection, study_name: str, batch_id: str) -> Progress:
    """Return how far a batch has come.

    Raises:
        NotFound: there is no such study, or it has no such batch.
    """
    return _progress(connection, find_row(connection, find_study(connection, study_name), batch_id))


def batch_state(connection: Connection, batch_id: str) -> str | None:
    """Return a batch's state; None: no study has such a batch."""
    return connection.scalar(select(batches.c.state).where(batches.c.id == batch_id))


def list_batches(connection: Connection, study_name: str, limit: int) -> list[Progress]:
    """Return the newest ``limit`` batches of a study, newest first.

    Raises:
        NotFound: there is no such study.
    """
    study = find_study(connection, study_name)
    of_study = select(batches).where(batches.c.study_id == study.id)
    newest = of_study.order_by(batches.c.recorded_at.desc(), batches.c.id).limit(limit)
    return [_progress(connection, row) for row in connection.execute(newest).all()]


def ended_batches(connection: Connection, study_name: str) -> list[str]:
    """Return the ids of a study's batches, all of which have ended.

    Raises:
        NotFound: there is no such study.
        Conflict: a batch has not ended.
    """
    study = find_study(connection, study_name)
    of_study = select(batches.c.id, ACTIVE).where(batches.c.study_id == study.id)
    found = connection.execute(of_study).all()
    if any(active for _, active in found):
        raise Conflict("an upload of the study is being stored: wait for its end, or cancel it")
    return [batch_id for batch_id, _ in found]


def cancel_batch(transaction: Transaction, study_name: str, batch_id: str) -> Progress:
    """Stop a batch; what it has stored stays. Cancelling again changes nothing.

    Raises:
        NotFound: there is no such study, or it has no such batch.
        Conflict: the batch has ended by itself.
    """
    connection = transaction.connection
    study = find_study(connection, study_name)
    ended = {"state": "cancelled", "detail": None, "finished_at": transaction.runtime.now()}
    stopped = update(batches).where(batches.c.id == batch_id, batches.c.study_id == study.id)
    if connection.execute(stopped.where(ACTIVE).values(ended)).rowcount:
        keep_end(transaction, batch_id)
    else:
        state = find_row(connection, study, batch_id).state
        if state != "cancelled":
            raise Conflict(f"the batch has ended already: it is {state}")
    return find_batch(connection, study_name, batch_id)


def find_row(connection: Connection, study: Study, batch_id: str) -> Row[tuple[object, ...]]:
    """Return a batch's own row.

    Raises:
        NotFound: the study has no such batch.
    """
    condition = (batches.c.id == batch_id) & (batches.c.study_id == study.id)
    row = connection.execute(select(batches).where(condition)).first()
    if row is None:
        raise NotFound("the study has no such batch")
    return row


def _progress(connection: Connection, row: Row[tuple[object, ...]]) -> Progress:
    of_batch = batch_tasks.c.batch_id == row.id
    quarantined = select(batch_tasks).where(of_batch, batch_tasks.c.state == "quarantined")
    tasks = connection.execute(quarantined.order_by(batch_tasks.c.number)).all()
    counted = connection.execute(_COUNTS, {"of_batch": row.id}).all()
    counts = (Counter[str](json.loads(text)) for *_, text in counted if text)
    return Progress(
        id=row.id,
        state=row.state,
        detail=row.detail,
        rows_total=row.rows_total,
        rows_done=sum(int(done) for done, *_ in counted),
        rows_rejected=sum(int(rejected) for _, rejected, _ in counted),
        phase_unknown=dict(sum(counts, Counter[str]()).most_common()),
        quarantined=[(task.number, task.rows, task.reason) for task in tasks],
        upload_sha256=row.upload_sha256,
        reading=json.loads(row.reading or "{}"),
        read_as=row.read_as,
        software=row.software,
        criteria_sha256=row.criteria_sha256,
        recorded_at=row.recorded_at,
        finished_at=row.finished_at,
    )


def batch_rows(connection: Connection) -> dict[str, int]:
    """Return the number of rows of stored batches by the state of their grading task."""
    sums = select(batch_tasks.c.state, func.sum(batch_tasks.c.rows))
    graded = sums.where(batch_tasks.c.kind == "grade").group_by(batch_tasks.c.state)
    return {state: int(rows) for state, rows in connection.execute(graded)}
