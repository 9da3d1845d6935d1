"""How tasks end: done, set aside, or the whole batch failed; the last one ends the batch.

Each in the transaction that stores what the task made, and, but for a failure, after
``assert_lease``.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select, update

from toxgrade.server.jobs.queue import Kind, Task, assert_lease, is_task
from toxgrade.server.records.db.service_tables import batch_tasks, batches


def pin(
    connection: Connection,
    task: Task,
    rows: Sequence[int],
    read_as: str,
    software: str,
    criteria: str,
) -> None:
    """Finish the partition: one task for each number of rows, under this software and criteria.

    ``read_as``: how the file was read, for people.
    """
    assert_lease(connection, task)
    tasks = [
        new_task(task.batch_id, number, "grade", count) for number, count in enumerate(rows, 1)
    ]
    if tasks:
        connection.execute(insert(batch_tasks), tasks)
    connection.execute(
        update(batches)
        .where(batches.c.id == task.batch_id)
        .values(
            rows_total=sum(rows),
            read_as=read_as,
            software=software,
            criteria_sha256=criteria,
            detail=None,
        )
    )
    _settle(connection, task, "done", 0, None)


def finish(connection: Connection, task: Task, rows_rejected: int = 0) -> None:
    """Mark a task done, in the transaction that stores what it made; ``assert_lease`` it before."""
    _settle(connection, task, "done", rows_rejected, None)


def quarantine(connection: Connection, task: Task, reason: str) -> None:
    """Set a task aside with its reason, all of its rows refused; the rest of the batch goes on."""
    _settle(connection, task, "quarantined", task.rows, reason)


def fail(connection: Connection, task: Task, detail: str) -> None:
    """End a batch whose file cannot be used."""
    assert_lease(connection, task)
    _end(connection, task.batch_id, "failed", detail)


def done_chunks(connection: Connection, batch_id: str) -> list[tuple[int, int]]:
    """Number and fence of every chunk that was stored, in order."""
    stored = select(batch_tasks.c.number, batch_tasks.c.fence).where(
        batch_tasks.c.batch_id == batch_id,
        batch_tasks.c.kind == "grade",
        batch_tasks.c.state == "done",
    )
    return [(n, fence) for n, fence in connection.execute(stored.order_by(batch_tasks.c.number))]


def _settle(
    connection: Connection, task: Task, state: str, rows_rejected: int, reason: str | None
) -> None:
    """End a task; with the last one the graded rows are put together, and then the batch ends."""
    settled = {"state": state, "rows_rejected": rows_rejected, "reason": reason}
    connection.execute(update(batch_tasks).where(is_task(task)).values(**settled, lease_until=None))
    of_batch = batch_tasks.c.batch_id == task.batch_id
    unsettled = batch_tasks.c.state.in_(("waiting", "running"))
    if connection.scalar(select(func.count()).where(of_batch, unsettled)):
        return
    if task.kind != "assemble":
        last = connection.scalar(select(func.max(batch_tasks.c.number)).where(of_batch))
        new = new_task(task.batch_id, (last or 0) + 1, "assemble", 0)
        connection.execute(insert(batch_tasks), [new])
        return
    aside = select(func.count()).where(of_batch, batch_tasks.c.state == "quarantined")
    state = "incomplete" if connection.scalar(aside) else "done"
    _end(connection, task.batch_id, state, None)


def _end(connection: Connection, batch_id: str, state: str, detail: str | None) -> None:
    ended = {"state": state, "detail": detail, "finished_at": datetime.now(UTC)}
    connection.execute(update(batches).where(batches.c.id == batch_id).values(ended))


def new_task(batch_id: str, number: int, kind: Kind, rows: int) -> dict[str, object]:
    return {
        "batch_id": batch_id, "number": number, "kind": kind, "rows": rows, "state": "waiting",
        "fence": 0, "attempts": 0, "rows_rejected": 0,
    }  # fmt: skip
