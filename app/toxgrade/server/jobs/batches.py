"""Batches as callers see them: created, followed, cancelled; and the rows that were refused."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from toxgrade.errors import Conflict, NotFound
from toxgrade.server.jobs.task_completion import new_task
from toxgrade.server.records.db.bulk import insert_tuples
from toxgrade.server.records.db.service_tables import ACTIVE, batch_rejects, batch_tasks, batches
from toxgrade.server.records.studies import Study, find_study

Place = tuple[int, int]
"""The place of a reject, by row and id: a page of rejects begins after one."""

_ENDED = ("done", "quarantined")


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
    state: str
    detail: str | None
    rows_total: int | None
    rows_done: int
    rows_rejected: int
    phase_unknown: Mapping[str, int]
    quarantined: list[tuple[int, int, str]]
    upload_sha256: str
    reading: Mapping[str, Any]
    read_as: str | None
    software: str | None
    criteria_sha256: str | None
    recorded_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be read or stored as it is: its place and what to correct, without values.

    ``row`` counts from 1, ``line`` is its line in the file (None: the format has no lines),
    ``column`` is the input's name. ``stored``: the row is stored as it is, without a grade.
    """

    row: int
    line: int | None
    column: str
    reason: str
    stored: bool


def new_batch_id() -> str:
    """Return a new id, which nobody can guess, for a batch and its folder."""
    return uuid.uuid4().hex


def create_batch(connection: Connection, study_name: str, upload: Upload) -> Progress:
    """Queue an upload, or return the equal one's batch if that is queued, running or done.

    Raises:
        NotFound: there is no such study.
    """
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
        "recorded_at": datetime.now(UTC),
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(batches).values(row))
    except IntegrityError:
        equal = (batches.c.study_id == study.id) & (batches.c.upload_sha256 == upload.sha256)
        live = batches.c.state.in_(("queued", "running", "done"))
        return _progress(connection, connection.execute(select(batches).where(equal, live)).one())
    connection.execute(insert(batch_tasks), [new_task(upload.batch_id, 0, "partition", 0)])
    return find_batch(connection, study_name, upload.batch_id)


def find_batch(connection: Connection, study_name: str, batch_id: str) -> Progress:
    """Return how far a batch has come.

    Raises:
        NotFound: there is no such study, or it has no such batch.
    """
    return _progress(connection, _find(connection, find_study(connection, study_name), batch_id))


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


def cancel_batch(connection: Connection, study_name: str, batch_id: str) -> Progress:
    """Stop a batch; what it has stored stays. Cancelling again changes nothing.

    Raises:
        NotFound: there is no such study, or it has no such batch.
        Conflict: the batch has ended by itself.
    """
    study = find_study(connection, study_name)
    ended = {"state": "cancelled", "detail": None, "finished_at": datetime.now(UTC)}
    stopped = update(batches).where(batches.c.id == batch_id, batches.c.study_id == study.id)
    if not connection.execute(stopped.where(ACTIVE).values(ended)).rowcount:
        state = _find(connection, study, batch_id).state
        if state != "cancelled":
            raise Conflict(f"the batch has ended already: it is {state}")
    return find_batch(connection, study_name, batch_id)


def add_rejects(connection: Connection, batch_id: str, rejects: Iterable[Reject]) -> None:
    """Record refused rows, in the transaction that ends their task."""
    columns = ("batch_id", "row", "line", "column", "reason", "stored")
    rows = [(batch_id, r.row, r.line, r.column, r.reason, r.stored) for r in rejects]
    insert_tuples(connection, batch_rejects, columns, rows)


def list_rejects(
    connection: Connection, study_name: str, batch_id: str, limit: int, after: Place
) -> tuple[list[Reject], Place | None]:
    """Return up to ``limit`` refused rows in the file's order, after the place ``after``.

    The second value is the place to go on from, None after the last. Complete when the batch ends.

    Raises:
        NotFound: there is no such study, or it has no such batch.
    """
    _find(connection, find_study(connection, study_name), batch_id)
    place = tuple_(batch_rejects.c.row, batch_rejects.c.id)
    rows = connection.execute(
        select(batch_rejects)
        .where(batch_rejects.c.batch_id == batch_id, place > tuple_(*after))
        .order_by(batch_rejects.c.row, batch_rejects.c.id)
        .limit(limit + 1)
    ).all()
    found = [Reject(r.row, r.line, r.column, r.reason, r.stored) for r in rows[:limit]]
    return found, (rows[limit - 1].row, rows[limit - 1].id) if len(rows) > limit else None


def _find(connection: Connection, study: Study, batch_id: str) -> Row[Any]:
    condition = (batches.c.id == batch_id) & (batches.c.study_id == study.id)
    row = connection.execute(select(batches).where(condition)).first()
    if row is None:
        raise NotFound("the study has no such batch")
    return row


def _progress(connection: Connection, row: Row[Any]) -> Progress:
    of_batch = batch_tasks.c.batch_id == row.id
    ended = batch_tasks.c.state.in_(_ENDED)
    sums = select(func.sum(batch_tasks.c.rows), func.sum(batch_tasks.c.rows_rejected))
    done, rejected = connection.execute(sums.where(of_batch, ended)).one()
    quarantined = select(batch_tasks).where(of_batch, batch_tasks.c.state == "quarantined")
    tasks = connection.execute(quarantined.order_by(batch_tasks.c.number)).all()
    unplaced = connection.scalars(select(batch_tasks.c.phase_unknown).where(of_batch))
    counts = (Counter[str](json.loads(text)) for text in unplaced if text)
    return Progress(
        id=row.id,
        state=row.state,
        detail=row.detail,
        rows_total=row.rows_total,
        rows_done=int(done or 0),
        rows_rejected=int(rejected or 0),
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
