"""The worker: performs tasks of stored batches, one after the other, until it is stopped.

The worker may be killed and the database may go away at any point: what was committed is done, and
another worker does the rest again.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from toxgrade import __version__
from toxgrade.errors import FileError, OutOfService, Unavailable
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs import queue, task_completion
from toxgrade.server.jobs.batches import batch_state
from toxgrade.server.jobs.cutting import DEFAULT_LIMITS, CutFailure, CutLimits, cut_upload
from toxgrade.server.jobs.grading_task import GradingTask, graded_file
from toxgrade.server.jobs.queue import LostTask, Task
from toxgrade.server.jobs.upload_store import (
    UploadStore,
    assemble,
    file_sha256,
    leave_out,
)
from toxgrade.server.process import origin, return_memory
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.db.transaction import Transaction, begin
from toxgrade.server.records.erase import erased_patients
from toxgrade.server.records.studies import find_study
from toxgrade.server.runtime import Runtime
from toxgrade.tabular.damage import is_panic

_IDLE_SECONDS = 0.5  # seconds between queries for a task when there is none
_SWEEP_EVERY = 3600.0  # seconds
_PAUSE_SECONDS = 5.0  # seconds until a task is tried again after a full disk or lost database
_UNREACHABLE = (OperationalError, InterfaceError, OutOfService)
_log = structlog.get_logger()


class Worker:
    """A worker for the batches whose uploads lie in ``store``.

    Another worker takes over a task that this one has not renewed for ``lease`` seconds.
    ``limits``: what reading one upload may take.
    """

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        graders: Graders,
        store: UploadStore,
        lease: float,
        limits: CutLimits = DEFAULT_LIMITS,
    ) -> None:
        self._engine, self._runtime, self._limits = engine, runtime, limits
        self._graders, self._store = graders, store
        criteria = [edition.sha256 for edition in graders.criteria.editions.values()]
        self._profile = queue.WorkerProfile(store.name, __version__, criteria, lease)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; a task that has begun is finished first."""
        sweep_at = 0.0
        while not stop.is_set():
            try:
                if (now := self._runtime.monotonic()) >= sweep_at:
                    sweep_at = now + _SWEEP_EVERY
                    self.sweep()
                worked = self.step()
            except (DBAPIError, OutOfService) as error:
                _log.warning("the database cannot answer now", error=_kind(error))
                worked = False
            except OSError as error:  # Another worker may be sweeping too.
                _log.warning("the folder of uploads cannot be read now", error=_kind(error))
                worked = False
            if worked:
                return_memory()
            else:
                self._runtime.wait(stop, _IDLE_SECONDS)

    def step(self) -> bool:
        """Perform one task; return False if there was none.

        Raises:
            OperationalError, InterfaceError: the database cannot answer; a task that has begun is
                claimed again when its lease has run out.
        """
        with self._engine.begin() as connection:
            task = queue.claim(connection, self._profile)
        if task is None:
            return False
        with suppress(LostTask):
            self._attempt(task)
        with read_only(self._engine).begin() as connection:
            state = batch_state(connection, task.batch_id)
        if state == "cancelled":
            self._give_up(task)
            self._store.remove(task.batch_id)
        return True

    def _attempt(self, task: Task) -> None:
        try:
            with self._lease_renewed(task) as lost:
                self._perform(task, lost)
        except LostTask:
            raise
        except FileError as error:
            with self._begin() as transaction:
                task_completion.fail(transaction, task, str(error))
            self._store.remove(task.batch_id)
        except (*_UNREACHABLE, Unavailable, OSError) as error:
            self._put_back(task, error)
        except CutFailure as error:
            self._quarantine(task, str(error))
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            self._quarantine(task, origin(error))

    def _begin(self) -> AbstractContextManager[Transaction]:
        return begin(self._engine, self._runtime)

    def _perform(self, task: Task, lost: threading.Event) -> None:
        if task.exhausted:
            self._quarantine(task, f"its worker died {queue.MOST_ATTEMPTS} times")
        elif task.kind == "partition":
            self._partition(task, lost)
        elif task.kind == "grade":
            self._grading(task).perform()
        else:
            self._assemble(task)

    def _partition(self, task: Task, lost: threading.Event) -> None:
        folder = self._store.folder(task.batch_id)
        cut = cut_upload(
            folder, task.labs, task.patients, task.reading, self._limits, lost, self._runtime
        )
        with self._begin() as transaction:
            rules = find_study(transaction.connection, task.study).rules
            criteria = self._graders.for_rules(rules).edition.sha256
            task_completion.finish_partition(
                transaction, task, cut.rows, cut.read_as, __version__, criteria
            )

    def _grading(self, task: Task) -> GradingTask:
        folder = self._store.folder(task.batch_id)
        return GradingTask(self._engine, self._runtime, self._graders, folder, task)

    def _assemble(self, task: Task) -> None:
        folder = self._store.folder(task.batch_id)
        with read_only(self._engine).begin() as connection:
            pieces = task_completion.settled_pieces(connection, task.batch_id)
            erased = erased_patients(connection, find_study(connection, task.study))
        assemble([folder / graded_file(*piece) for piece in pieces], self._store, task.batch_id)
        if erased:  # Their rows are refused now, but were in the upload.
            leave_out(erased, self._store, [task.batch_id], {})
        sha256 = file_sha256(self._store.grades(task.batch_id))
        with self._begin() as transaction:
            queue.assert_lease(transaction.connection, task)
            transaction.note(graded_rows={task.batch_id: sha256})
            task_completion.finish(transaction, task)
        self._store.keep_grades_only(task.batch_id)

    def _quarantine(self, task: Task, reason: str) -> None:
        """Quarantine a task and reject a chunk's rows; a batch that cannot be cut fails."""
        _log.error(reason, batch=task.batch_id, chunk=task.number)
        if task.kind == "grade":
            self._grading(task).quarantine(reason)
            self._give_up(task)
            return
        with self._begin() as transaction:
            if task.kind == "partition":
                task_completion.fail(transaction, task, reason)
            else:
                queue.assert_lease(transaction.connection, task)
                task_completion.quarantine(transaction, task, reason)

    def _give_up(self, task: Task) -> None:
        """Grade patients by the part that is stored, where the rest will not be."""
        if task.kind != "grade" or task.exhausted:
            return
        try:
            self._grading(task).give_up()
        except _UNREACHABLE:
            raise
        except Exception as error:
            _log.error(origin(error), batch=task.batch_id, chunk=task.number)

    def _put_back(self, task: Task, error: Exception) -> None:
        """Put a task back until disk or database work again; the batch says what it waits for."""
        text = error.strerror if isinstance(error, OSError) else None
        reason = f"waiting: {text or f'the database could not store this ({_kind(error)})'}"
        _log.warning(reason, batch=task.batch_id, chunk=task.number)
        with self._engine.begin() as connection:
            queue.put_back(connection, task, reason, _PAUSE_SECONDS)

    @contextmanager
    def _lease_renewed(self, task: Task) -> Iterator[threading.Event]:
        """Renew the lease in the background while the block runs; set the event if it is lost."""
        done, lost = threading.Event(), threading.Event()

        def renew() -> None:
            while not self._runtime.wait(done, self._profile.lease / 3):
                try:
                    with self._engine.begin() as connection:
                        if not queue.renew(connection, task, self._profile.lease):
                            lost.set()
                except _UNREACHABLE:
                    continue  # A later renewal may succeed; if none does, the fence decides.

        renewal = threading.Thread(target=renew, name="lease", daemon=True)
        renewal.start()
        try:
            yield lost
        finally:
            done.set()
            renewal.join()

    def sweep(self) -> None:
        """Remove uploads that never became a batch, and those of batches that have ended."""
        for batch_id in self._store.leftovers(self._runtime.now()):
            with read_only(self._engine).begin() as connection:
                state = batch_state(connection, batch_id)
            if state in ("done", "incomplete"):
                self._store.keep_grades_only(batch_id)
            elif state not in ("queued", "running"):
                self._store.remove(batch_id)


def _kind(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError) else None
    return type(original or error).__name__
