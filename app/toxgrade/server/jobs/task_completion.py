"""The ends of tasks: done or quarantined, or the whole batch failed; the last ends the batch.

Each is recorded in the transaction that stores what the task made, under ``assert_lease``.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from toxgrade.server.jobs.chunk import Done
from toxgrade.server.jobs.queue import Task, assert_lease, is_task, new_task
from toxgrade.server.records.audit_kept import keep_end
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.db.service_tables import batch_pieces, batch_tasks, batches
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.db.transaction import Transaction

_OF_TASK = select(batch_pieces)


def finish_partition(
    transaction: Transaction,
    task: Task,
    rows: Sequence[int],
    read_as: str,
    software: str,
    criteria: str,
) -> None:
    """End the partition: add a grading task for each of ``rows``, and fix software and criteria.

    ``read_as`` says how the file was read, for people.
    """
    assert_lease(transaction.connection, task)
    tasks = [
        new_task(task.batch_id, number, "grade", count) for number, count in enumerate(rows, 1)
    ]
    if tasks:
        transaction.connection.execute(insert(batch_tasks), tasks)
    transaction.connection.execute(
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
    _end_task(transaction, task, "done")


def finish_piece(
    connection: Connection,
    task: Task,
    piece: int,
    rows: int,
    rows_rejected: int,
    phase_unknown: Mapping[str, int],
    part_of: tuple[int, int] | None = None,
) -> None:
    """Mark a piece of a chunk done, in the transaction that stores it, after ``assert_lease``.

    ``rows`` are settled by it; ``phase_unknown`` as in ``Progress``, of them. ``part_of``: row id
    and base of the patient who comes in several pieces.
    """
    patient, base = part_of or (None, None)
    mark = {
        "batch_id": task.batch_id, "number": task.number, "piece": piece, "fence": task.fence,
        "rows": rows, "rows_rejected": rows_rejected,
        "phase_unknown": json.dumps(phase_unknown) if phase_unknown else None,
        "patient_id": patient, "base": base,
    }  # fmt: skip
    connection.execute(insert(batch_pieces).values(mark))
    if task.attempts > 1:  # A task that goes on does not kill its workers.
        connection.execute(update(batch_tasks).where(is_task(task)).values(attempts=1))


def done_of(connection: Connection, task: Task) -> Done:
    """Return what is done of a chunk."""
    pieces = connection.execute(_OF_TASK.where(*_is_of(task)).order_by(batch_pieces.c.piece)).all()
    if not pieces:
        return Done()
    rows, last = sum(piece.rows for piece in pieces), pieces[-1]
    name = connection.scalar(select(patients.c.name).where(patients.c.id == last.patient_id))
    return Done(last.piece, rows, name, last.base)


def finish(transaction: Transaction, task: Task) -> None:
    """Mark a task done, after ``assert_lease``."""
    _end_task(transaction, task, "done")


def quarantine(transaction: Transaction, task: Task, reason: str) -> None:
    """Quarantine a task: what is left of its rows is refused, and the rest of the batch goes on."""
    rows = sum(
        piece.rows for piece in transaction.connection.execute(_OF_TASK.where(*_is_of(task)))
    )
    _end_task(transaction, task, "quarantined", task.rows - rows, reason)


def fail(transaction: Transaction, task: Task, detail: str) -> None:
    """End a batch as failed, because its file cannot be used."""
    assert_lease(transaction.connection, task)
    _end_batch(transaction, task, "failed", detail)


def settled_pieces(connection: Connection, batch_id: str) -> list[tuple[int, int, int]]:
    """Return task, piece and fence of every piece that settled rows, in order."""
    of_batch = _OF_TASK.where(batch_pieces.c.batch_id == batch_id, batch_pieces.c.rows > 0)
    in_order = of_batch.order_by(batch_pieces.c.number, batch_pieces.c.piece)
    return [(row.number, row.piece, row.fence) for row in connection.execute(in_order)]


def _is_of(task: Task) -> tuple[ColumnElement[bool], ...]:
    return batch_pieces.c.batch_id == task.batch_id, batch_pieces.c.number == task.number


def _end_task(
    transaction: Transaction, task: Task, state: str, rows_left: int = 0, reason: str | None = None
) -> None:
    """End a task; after the last chunk add the task ``assemble``, after that end the batch."""
    pieces = transaction.connection.execute(_OF_TASK.where(*_is_of(task))).all()
    unplaced = (Counter[str](json.loads(p.phase_unknown)) for p in pieces if p.phase_unknown)
    phase_unknown = sum(unplaced, Counter[str]())
    ended = {
        "state": state,
        "rows_rejected": rows_left + sum(piece.rows_rejected for piece in pieces),
        "reason": reason,
        "phase_unknown": json.dumps(phase_unknown) if phase_unknown else None,
    }
    transaction.connection.execute(
        update(batch_tasks).where(is_task(task)).values(**ended, lease_until=None)
    )
    of_batch = batch_tasks.c.batch_id == task.batch_id
    unfinished = batch_tasks.c.state.in_(("waiting", "running"))
    if transaction.connection.scalar(select(func.count()).where(of_batch, unfinished)):
        return
    if task.kind != "assemble":
        last = transaction.connection.scalar(select(func.max(batch_tasks.c.number)).where(of_batch))
        new = new_task(task.batch_id, (last or 0) + 1, "assemble", 0)
        transaction.connection.execute(insert(batch_tasks), [new])
        return
    quarantined = select(func.count()).where(of_batch, batch_tasks.c.state == "quarantined")
    state = "incomplete" if transaction.connection.scalar(quarantined) else "done"
    _end_batch(transaction, task, state, None)


def _end_batch(transaction: Transaction, task: Task, state: str, detail: str | None) -> None:
    ended = {"state": state, "detail": detail, "finished_at": transaction.runtime.now()}
    transaction.connection.execute(
        update(batches).where(batches.c.id == task.batch_id).values(ended)
    )
    keep_end(transaction, task.batch_id)
    act = AuditAction("worker", f"end batch {task.batch_id}: {state}", task.study)
    write_entries(transaction, [(act, transaction.pop_written())])
