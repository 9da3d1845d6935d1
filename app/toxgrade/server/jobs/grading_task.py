"""A task that grades and stores a chunk: piece by piece, each with its mark in one transaction."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl
from sqlalchemy import Connection, Engine, select

from toxgrade.errors import Conflict
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs import queue, task_completion
from toxgrade.server.jobs.begun_patients import begun_patients
from toxgrade.server.jobs.chunk import Done, Piece, StoredChunk
from toxgrade.server.jobs.partition import Partition
from toxgrade.server.jobs.queue import Task
from toxgrade.server.jobs.rejects import Reject, add_rejects
from toxgrade.server.records.audit_log import AuditAction, audited
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.service_tables import batch_rejects
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.store_many import StateChanged
from toxgrade.server.runtime import Runtime
from toxgrade.tabular.declared_options import from_json
from toxgrade.tabular.whole_file import replaced

_QUARANTINED = "quarantined"


class GradingTask:
    """The grading task ``task``, whose upload was cut into ``folder``."""

    def __init__(
        self, engine: Engine, runtime: Runtime, graders: Graders, folder: Path, task: Task
    ) -> None:
        self._engine, self._runtime = engine, runtime
        self._graders, self._folder, self._task = graders, folder, task
        self._parts = Partition(folder, from_json(task.reading))

    def perform(self) -> None:
        """Store what is left of the chunk."""
        task = self._task
        with read_only(self._engine).begin() as connection:
            done = task_completion.done_of(connection, task)
        number, frames = done.pieces, self._parts.read(task.number - 1)
        for piece in self._chunk(frames, done).pieces():
            try:
                self._store(piece, number + 1)
            except (StateChanged, Conflict):  # It is planned again by the new state.
                continue
            number, piece.is_stored = number + 1, True
        with begin(self._engine, self._runtime) as transaction:
            queue.assert_lease(transaction.connection, task)
            task_completion.finish(transaction, task)

    def _chunk(self, frames: Iterable[pl.DataFrame], done: Done) -> StoredChunk:
        study, graders = self._task.study, self._graders
        return StoredChunk(frames, self._engine, self._runtime, study, graders, done)

    def _store(self, piece: Piece, number: int) -> None:
        """Store a piece with its mark; its file of graded rows is written before."""
        task, outcome, rejects = self._task, piece.outcome, list[Reject]()
        if outcome.rows:
            with replaced(self._folder / graded_file(task.number, number, task.fence)) as path:
                outcome.frame().write_parquet(path)
            rejects = outcome.rejects(self._parts.named_columns(outcome.source))
        rejected, unplaced = len({reject.row for reject in rejects}), outcome.phase_unknown()
        what = f"store piece {number} of chunk {task.number} of batch {task.batch_id}"
        act = AuditAction("worker", what, task.study)
        with audited(self._engine, self._runtime, act) as transaction:
            piece.store(transaction)
            queue.assert_lease(transaction.connection, task)
            add_rejects(transaction, task.batch_id, rejects)
            task_completion.finish_piece(
                transaction.connection, task, number, len(outcome.rows), rejected, unplaced,
                piece.part_of,
            )  # fmt: skip

    def give_up(self) -> None:
        """Grade again the patients of whom only a part is stored, and will be: by that part."""
        with read_only(self._engine).begin() as connection:
            begun = begun_patients(connection, self._task)
        what = f"grade what is stored of chunk {self._task.number} of batch {self._task.batch_id}"
        for patient in begun:
            act = AuditAction("worker", what, self._task.study, patient)
            for piece in self._chunk((), Done()).regraded(patient):
                try:
                    with audited(self._engine, self._runtime, act) as transaction:
                        piece.store(transaction)
                except (StateChanged, Conflict):
                    continue
                piece.is_stored = True

    def quarantine(self, reason: str) -> None:
        """Set the task aside, and reject those of its rows that no piece has settled."""
        settled = self._settled()
        what = f"refuse chunk {self._task.number} of batch {self._task.batch_id}"
        act = AuditAction("worker", what, self._task.study)
        for frame in self._parts.read(self._task.number - 1):
            rest = frame.filter(~pl.col("row").is_in(settled.implode()))
            with audited(self._engine, self._runtime, act) as transaction:
                queue.assert_lease(transaction.connection, self._task)
                told = _told(transaction.connection, self._task, frame["row"])
                rejects = [
                    Reject(row, line, "", _QUARANTINED, False)
                    for row, line in rest.select("row", "line").iter_rows()
                    if row not in told
                ]
                add_rejects(transaction, self._task.batch_id, rejects)
        with begin(self._engine, self._runtime) as transaction:
            queue.assert_lease(transaction.connection, self._task)
            task_completion.quarantine(transaction, self._task, reason)

    def _settled(self) -> pl.Series:
        """Return the rows that pieces of the task have settled."""
        task = self._task
        with read_only(self._engine).begin() as connection:
            pieces = task_completion.settled_pieces(connection, task.batch_id)
        paths = [self._folder / graded_file(*piece) for piece in pieces if piece[0] == task.number]
        rows = [pl.read_parquet(path, columns=["row"])["row"].unique() for path in paths]
        return pl.concat([pl.Series("row", [], pl.Int64), *rows])


def _told(connection: Connection, task: Task, rows: pl.Series) -> set[int]:
    """Return which of ascending ``rows`` are rejected by a quarantine that was interrupted."""
    c = batch_rejects.c
    query = select(c.row).where(
        c.batch_id == task.batch_id, c.row.between(rows[0], rows[-1]), c.reason == _QUARANTINED
    )
    return set(connection.scalars(query))


def graded_file(number: int, piece: int, fence: int) -> str:
    """Return the file name of a piece's graded rows; each claim of a task writes its own files."""
    return f"graded-{number}-{piece}-{fence}.parquet"
