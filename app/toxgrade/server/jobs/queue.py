"""The durable queue of tasks: a batch consists of tasks, each done once, by any live worker.

A worker holds a task by a lease, measured by the database's clock, and a fence: the number of
times the task was claimed. What a task stores and its "done" mark are one transaction, which
commits only under the newest fence: a worker that was killed, or overtaken, leaves nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    cast,
    extract,
    func,
    or_,
    select,
    update,
)

from toxgrade.errors import ToxgradeError
from toxgrade.server.records.db.service_tables import ACTIVE, batch_tasks, batches
from toxgrade.server.records.db.tables import studies

Kind = Literal["partition", "grade", "assemble"]

MOST_ATTEMPTS = 10
"""A task that is claimed more often kills its workers: it is quarantined and the rest goes on."""


@dataclass(frozen=True, slots=True)
class Task:
    """A step of a batch that this worker holds.

    ``kind``: ``partition`` reads the upload and makes the other tasks, ``grade`` grades and stores
    a chunk of ``rows`` rows, ``assemble`` puts the graded rows together at the end. ``reading``
    holds the read options as stored JSON. ``exhausted``: it was claimed too often to be tried.
    """

    batch_id: str
    number: int
    kind: Kind
    rows: int
    fence: int
    attempts: int
    study: str
    labs: str
    patients: str | None
    reading: str | None

    @property
    def exhausted(self) -> bool:
        return self.attempts > MOST_ATTEMPTS


class LostTask(ToxgradeError):
    """Another worker holds the task, or its batch was cancelled: nothing may be committed."""


@dataclass(frozen=True, slots=True)
class WorkerProfile:
    """What a worker can take: uploads of its store, batches of its version and its criteria."""

    store: str
    software: str
    criteria: Collection[str]
    lease: float


def new_task(batch_id: str, number: int, kind: Kind, rows: int) -> dict[str, object]:
    """Return the row of a task that waits."""
    return {
        "batch_id": batch_id, "number": number, "kind": kind, "rows": rows, "state": "waiting",
        "fence": 0, "attempts": 0, "rows_rejected": 0,
    }  # fmt: skip


def claim(connection: Connection, worker: WorkerProfile) -> Task | None:
    """Take the next task that waits, or whose holder stopped renewing its lease; None: nothing.

    The study that was served longest ago comes first, then its oldest batch, then the batch's least
    tried task: one that may have killed its worker comes after the others. A batch that another
    version of the software began is left to that version.
    """
    now = _clock(connection)
    row = connection.execute(_next(worker, now)).first()
    if row is None:
        return None
    task = Task(
        row.batch_id, row.number, row.kind, row.rows, row.fence + 1, row.attempts + 1,
        row.name, row.labs, row.patients, row.reading,
    )  # fmt: skip
    served_now = {"state": "running", "served_at": now}
    of_batch = update(batches).where(batches.c.id == task.batch_id, ACTIVE)
    if not connection.execute(of_batch.values(served_now)).rowcount:  # cancelled just now
        return None
    connection.execute(
        update(batch_tasks)
        .where(is_task(task))
        .values(
            state="running",
            fence=task.fence,
            attempts=task.attempts,
            lease_until=now + worker.lease,
        )
    )
    return task


def _next(worker: WorkerProfile, now: ColumnElement[float]) -> Select[tuple[object, ...]]:
    """Return a query that locks the task that ``claim`` takes at ``now``."""
    free = or_(batch_tasks.c.lease_until.is_(None), batch_tasks.c.lease_until < now)
    suitable = or_(
        batches.c.software.is_(None),
        and_(
            batches.c.software == worker.software,
            batches.c.criteria_sha256.in_(worker.criteria),
        ),
    )
    others = batches.alias()
    served = select(func.max(others.c.served_at)).where(others.c.study_id == batches.c.study_id)
    return (
        select(
            batch_tasks, studies.c.name, batches.c.labs, batches.c.patients, batches.c.reading
        )
        .join(batches, batch_tasks.c.batch_id == batches.c.id)
        .join(studies, batches.c.study_id == studies.c.id)
        .where(ACTIVE, suitable, free, batches.c.store == worker.store)
        .where(batch_tasks.c.state.in_(("waiting", "running")))
        .order_by(
            func.coalesce(served.scalar_subquery(), 0), batches.c.recorded_at, batches.c.id,
            batch_tasks.c.attempts, batch_tasks.c.number,
        )
        .limit(1)
        .with_for_update(skip_locked=True, of=batch_tasks)
    )  # fmt: skip


def renew(connection: Connection, task: Task, lease: float) -> bool:
    """Hold the task for another ``lease`` seconds; return False if it was lost."""
    until = _clock(connection) + lease
    by_fence = update(batch_tasks).where(is_task(task), batch_tasks.c.fence == task.fence)
    still_held = by_fence.where(batch_tasks.c.state == "running", _active(task))
    return connection.execute(still_held.values(lease_until=until)).rowcount == 1


def assert_lease(connection: Connection, task: Task) -> None:
    """Make sure, until this transaction ends, that this worker holds the task of a live batch.

    Raises:
        LostTask: another worker holds the task, or the batch was cancelled.
    """
    # The task is locked before the batch, as in ``claim``: the other order deadlocked.
    held_task = select(batch_tasks.c.number).where(
        is_task(task), batch_tasks.c.fence == task.fence, batch_tasks.c.state == "running"
    )
    active_batch = select(batches.c.id).where(batches.c.id == task.batch_id, ACTIVE)
    for query in (held_task, active_batch):
        if connection.execute(query.with_for_update()).first() is None:
            raise LostTask("the task is not this worker's any more")


def put_back(connection: Connection, task: Task, reason: str, pause: float) -> None:
    """Give a task back, to be tried again after ``pause`` seconds; the batch's ``detail`` says why.

    The attempt, which an unreachable database or a full disk ended, does not count.
    """
    try:
        assert_lease(connection, task)
    except LostTask:
        return
    connection.execute(
        update(batch_tasks)
        .where(is_task(task))
        .values(
            state="waiting",
            attempts=task.attempts - 1,
            lease_until=_clock(connection) + pause,
            reason=reason,
        )
    )
    of_batch = update(batches).where(batches.c.id == task.batch_id, ACTIVE)
    connection.execute(of_batch.values(detail=reason))


def is_task(task: Task) -> ColumnElement[bool]:
    """Return the condition for the row of a task."""
    return and_(batch_tasks.c.batch_id == task.batch_id, batch_tasks.c.number == task.number)


def _active(task: Task) -> ColumnElement[bool]:
    return select(batches.c.id).where(batches.c.id == task.batch_id, ACTIVE).exists()


def _clock(connection: Connection) -> ColumnElement[float]:
    """Return seconds since 1970 by the database's clock, which all workers share."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now", type_=Double) - 2440587.5) * 86400
