"""The durable table of jobs: a batch is tasks, each done once, by whichever worker is alive.

A worker holds a task by a lease, measured by the database's clock, and a fence: the number of
times the task was claimed. What a task stores and its "done" mark are one transaction, which
commits only under the newest fence: a worker that was killed, or overtaken, leaves nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

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
"""A task claimed so often kills its worker each time: it is set aside and the rest goes on."""


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a batch that this worker holds.

    ``kind``: ``partition`` reads the upload and makes the other tasks, ``grade`` grades and stores
    ``rows`` rows of whole patients, ``assemble`` puts the graded rows together at the end.
    ``reading``: how the files are declared to be read, as it is kept. ``exhausted``: it was
    claimed too often to be tried again.
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
    """The task is another worker's by now, or its batch was cancelled: nothing may be committed."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker can do: which uploads it reaches, its version, the criteria it knows."""

    store: str
    software: str
    criteria: Collection[str]
    lease: float


def claim(connection: Connection, worker: Worker) -> Task | None:
    """Take the next task that waits, or whose holder stopped renewing its lease; None: nothing.

    The study that was served longest ago comes first, within it the oldest batch, in it the task
    that was tried least: one that may have killed its worker lets the others go before it. A batch
    begun by another version of the software is left to that version.
    """
    now = _clock(connection)
    row = connection.execute(_next(worker, now)).first()
    if row is None:
        return None
    task = Task(
        row.batch_id, row.number, row.kind, row.rows, row.fence + 1, row.attempts + 1,
        row.name, row.labs, row.patients, row.reading,
    )  # fmt: skip
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
    served_now = {"state": "running", "served_at": now}
    connection.execute(update(batches).where(batches.c.id == task.batch_id).values(served_now))
    return task


def _next(worker: Worker, now: ColumnElement[float]) -> Select[Any]:
    """The task that ``claim`` takes at ``now``, locked."""
    free = or_(batch_tasks.c.lease_until.is_(None), batch_tasks.c.lease_until < now)
    ours = or_(
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
        .where(ACTIVE, ours, free, batches.c.store == worker.store)
        .where(batch_tasks.c.state.in_(("waiting", "running")))
        .order_by(
            func.coalesce(served.scalar_subquery(), 0), batches.c.recorded_at, batches.c.id,
            batch_tasks.c.attempts, batch_tasks.c.number,
        )
        .limit(1)
        .with_for_update(skip_locked=True, of=batch_tasks)
    )  # fmt: skip


def renew(connection: Connection, task: Task, lease: float) -> bool:
    """Hold the task for another ``lease`` seconds; False if it is not ours any more."""
    until = _clock(connection) + lease
    held = update(batch_tasks).where(is_task(task), batch_tasks.c.fence == task.fence)
    still = held.where(batch_tasks.c.state == "running", _active(task))
    return connection.execute(still.values(lease_until=until)).rowcount == 1


def assert_lease(connection: Connection, task: Task) -> None:
    """Make sure, until this transaction ends, that the task is ours and its batch goes on.

    Raises:
        LostTask: it is not, or the batch was cancelled.
    """
    # The task before the batch, as in ``claim``: the other order deadlocked.
    ours = select(batch_tasks.c.number).where(
        is_task(task), batch_tasks.c.fence == task.fence, batch_tasks.c.state == "running"
    )
    active = select(batches.c.id).where(batches.c.id == task.batch_id, ACTIVE)
    for held in (ours, active):
        if connection.execute(held.with_for_update()).first() is None:
            raise LostTask("the task is not this worker's any more")


def put_back(connection: Connection, task: Task, reason: str, pause: float) -> None:
    """Give a task up so that it is tried again after ``pause`` seconds; the batch says why.

    An attempt that an unreachable database or a full disk ended is not held against the task.
    """
    mine = and_(is_task(task), batch_tasks.c.fence == task.fence)
    connection.execute(
        update(batch_tasks)
        .where(mine)
        .values(
            state="waiting",
            attempts=task.attempts - 1,
            lease_until=_clock(connection) + pause,
            reason=reason,
        )
    )
    waits = update(batches).where(batches.c.id == task.batch_id, ACTIVE)
    connection.execute(waits.values(detail=reason))


def is_task(task: Task) -> ColumnElement[bool]:
    """The row of a task."""
    return and_(batch_tasks.c.batch_id == task.batch_id, batch_tasks.c.number == task.number)


def _active(task: Task) -> ColumnElement[bool]:
    return select(batches.c.id).where(batches.c.id == task.batch_id, ACTIVE).exists()


def _clock(connection: Connection) -> ColumnElement[float]:
    """Seconds since 1970 by the database's clock, which is one for all workers."""
    if connection.dialect.name == "postgresql":
        return cast(extract("epoch", func.clock_timestamp()), Double)
    return (func.julianday("now", type_=Double) - 2440587.5) * 86400
