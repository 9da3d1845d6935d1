"""The ends of tasks: done or quarantined, or the whole batch failed; the last ends the batch.

Each is recorded in the transaction that stores what the task made, under ``assert_lease``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select, update

from toxgrade.server.jobs.queue import Kind, Task, assert_lease, is_task
from toxgrade.server.records.db.service_tables import batch_tasks, batches


def finish_partition(
    connection: Connection,
    task: Task,
    rows: Sequence[int],
    read_as: str,
    software: str,
    criteria: str,
) -> None:
    """End the partition: add a grading task for each of ``rows``, and fix software and criteria.

    ``read_as`` says how the file was read, for people.
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
    _end_task(connection, task, "done", 0, None)


def finish(
    connection: Connection,
    task: Task,
    rows_rejected: int = 0,
    phase_unknown: Mapping[str, int] | None = None,
) -> None:
    """Mark a task done, in the transaction that stores what it made, after ``assert_lease``.

    ``phase_unknown`` as in ``Progress``, of this task.
    """
    if phase_unknown:
        counts = {"phase_unknown": json.dumps(phase_unknown)}
        connection.execute(update(batch_tasks).where(is_task(task)).values(counts))
    _end_task(connection, task, "done", rows_rejected, None)


def quarantine(connection: Connection, task: Task, reason: str) -> None:
    """Quarantine a task: all of its rows are refused, and the rest of the batch goes on."""
    _end_task(connection, task, "quarantined", task.rows, reason)


def fail(connection: Connection, task: Task, detail: str) -> None:
    """End a batch as failed, because its file cannot be used."""
    assert_lease(connection, task)
    _end_batch(connection, task.batch_id, "failed", detail)


def done_chunks(connection: Connection, batch_id: str) -> list[tuple[int, int]]:
    """Return number and fence of every chunk that was stored, in order."""
    stored = select(batch_tasks.c.number, batch_tasks.c.fence).where(
        batch_tasks.c.batch_id == batch_id,
        batch_tasks.c.kind == "grade",
        batch_tasks.c.state == "done",
    )
    return [(n, fence) for n, fence in connection.execute(stored.order_by(batch_tasks.c.number))]


def _end_task(
    connection: Connection, task: Task, state: str, rows_rejected: int, reason: str | None
) -> None:
    """End a task; after the last chunk add the task ``assemble``, after that end the batch."""
    ended = {"state": state, "rows_rejected": rows_rejected, "reason": reason}
    connection.execute(update(batch_tasks).where(is_task(task)).values(**ended, lease_until=None))
    of_batch = batch_tasks.c.batch_id == task.batch_id
    unfinished = batch_tasks.c.state.in_(("waiting", "running"))
    if connection.scalar(select(func.count()).where(of_batch, unfinished)):
        return
    if task.kind != "assemble":
        last = connection.scalar(select(func.max(batch_tasks.c.number)).where(of_batch))
        new = new_task(task.batch_id, (last or 0) + 1, "assemble", 0)
        connection.execute(insert(batch_tasks), [new])
        return
    quarantined = select(func.count()).where(of_batch, batch_tasks.c.state == "quarantined")
    state = "incomplete" if connection.scalar(quarantined) else "done"
    _end_batch(connection, task.batch_id, state, None)


def _end_batch(connection: Connection, batch_id: str, state: str, detail: str | None) -> None:
    ended = {"state": state, "detail": detail, "finished_at": datetime.now(UTC)}
    connection.execute(update(batches).where(batches.c.id == batch_id).values(ended))


def new_task(batch_id: str, number: int, kind: Kind, rows: int) -> dict[str, object]:
    return {
        "batch_id": batch_id, "number": number, "kind": kind, "rows": rows, "state": "waiting",
        "fence": 0, "attempts": 0, "rows_rejected": 0,
    }  # fmt: skip
