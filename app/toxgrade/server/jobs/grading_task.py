"""A task that grades and stores a chunk: piece by piece, each with its mark in one transaction."""

from pathlib import Path

import polars as pl
from sqlalchemy import Connection, Engine, select

from toxgrade.errors import Conflict
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs import queue, task_completion
from toxgrade.server.jobs.begun_patients import begun_patients
from toxgrade.server.jobs.chunk import Piece, StoredChunk
from toxgrade.server.jobs.partition import Partition
from toxgrade.server.jobs.queue import Task
from toxgrade.server.jobs.rejects import Reject, add_rejects
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.db.append import pop_written
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.service_tables import batch_rejects
from toxgrade.server.records.store_many import StateChanged
from toxgrade.tabular.read_options import from_json

_QUARANTINED = "quarantined"


class GradingTask:
    """The grading task ``task``, whose upload was cut into ``folder``."""

    def __init__(self, engine: Engine, graders: Graders, folder: Path, task: Task) -> None:
        self._engine, self._graders, self._folder, self._task = engine, graders, folder, task
        self._parts = Partition(folder, from_json(task.reading))

    def perform(self) -> None:
        """Store what is left of the chunk."""
        task = self._task
        with read_only(self._engine).begin() as connection:
            done = task_completion.done_of(connection, task)
        number, frames = done.pieces, self._parts.read(task.number - 1)
        for piece in StoredChunk(frames, self._engine, task.study, self._graders, done).pieces():
            try:
                self._store(piece, number + 1)
            except (StateChanged, Conflict):  # It is planned again by the new state.
                continue
            number, piece.is_stored = number + 1, True
        with self._engine.begin() as connection:
            queue.assert_lease(connection, task)
            task_completion.finish(connection, task)

    def _store(self, piece: Piece, number: int) -> None:
        """Store a piece with its mark; its file of graded rows is written before."""
        task, outcome, rejects = self._task, piece.outcome, list[Reject]()
        if outcome.rows:
            outcome.frame().write_parquet(
                self._folder / graded_file(task.number, number, task.fence)
            )
            rejects = outcome.rejects(self._parts.named_columns(outcome.source))
        rejected, unplaced = len({reject.row for reject in rejects}), outcome.phase_unknown()
        what = f"store piece {number} of chunk {task.number} of batch {task.batch_id}"
        with self._engine.begin() as connection:
            pop_written(connection)
            piece.store(connection)
            queue.assert_lease(connection, task)
            add_rejects(connection, task.batch_id, rejects)
            task_completion.finish_piece(
                connection, task, number, len(outcome.rows), rejected, unplaced, piece.part_of
            )
            act = AuditAction("worker", what, task.study)
            write_entries(connection, [(act, pop_written(connection))])

    def give_up(self) -> None:
        """Grade again the patients of whom only a part is stored, and will be: by that part."""
        with read_only(self._engine).begin() as connection:
            begun = begun_patients(connection, self._task)
        chunk = StoredChunk((), self._engine, self._task.study, self._graders)
        what = f"grade what is stored of chunk {self._task.number} of batch {self._task.batch_id}"
        for patient in begun:
            act = AuditAction("worker", what, self._task.study, patient)
            for piece in chunk.regraded(patient):
                try:
                    with self._engine.begin() as connection:
                        pop_written(connection)
                        piece.store(connection)
                        write_entries(connection, [(act, pop_written(connection))])
                except (StateChanged, Conflict):
                    continue
                piece.is_stored = True

    def quarantine(self, reason: str) -> None:
        """Set the task aside, and reject those of its rows that no piece has settled."""
        settled = self._settled()
        what = f"refuse chunk {self._task.number} of batch {self._task.batch_id}"
        for frame in self._parts.read(self._task.number - 1):
            rest = frame.filter(~pl.col("row").is_in(settled.implode()))
            with self._engine.begin() as connection:
                queue.assert_lease(connection, self._task)
                pop_written(connection)
                told = _told(connection, self._task, frame["row"])
                rejects = [
                    Reject(row, line, "", _QUARANTINED, False)
                    for row, line in rest.select("row", "line").iter_rows()
                    if row not in told
                ]
                add_rejects(connection, self._task.batch_id, rejects)
                act = AuditAction("worker", what, self._task.study)
                write_entries(connection, [(act, pop_written(connection))])
        with self._engine.begin() as connection:
            queue.assert_lease(connection, self._task)
            task_completion.quarantine(connection, self._task, reason)

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
