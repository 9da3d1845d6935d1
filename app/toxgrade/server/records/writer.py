"""The one writer of a process: it commits all waiting jobs together, then answers each of them.

A commit costs a disk flush whatever it holds. Sharing one among concurrent requests gave 3 to 6
times the throughput of a commit for each, on both databases.

A transaction takes its locks in one order, so that processes rarely deadlock: idempotency keys,
then patients by study and name, then the heads of the audit's chains. If they do, PostgreSQL aborts
one of the transactions, whose jobs are tried again, each alone.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from toxgrade.errors import Unavailable
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.db.failures import is_crossed, is_unavailable, unavailable
from toxgrade.server.records.db.transaction import Transaction, Written, begin
from toxgrade.server.records.patient_state import lock_and_load_patients
from toxgrade.server.records.preconditions import Answer, Claims, IdempotencyKey, forget_old_answers
from toxgrade.server.records.writer_jobs import Job, tell
from toxgrade.server.runtime import Runtime

T = TypeVar("T")

_MOST_WAITING = 1000  # More waiting jobs could not be answered in reasonable time.
_MOST_IN_GROUP = 64  # In a commit of more jobs, the disk flush is no longer the main cost.
_LINGER_SECONDS = 0.002  # seconds; callers who were just answered often send more at once
_MOST_FAILED = 4  # After more failed jobs, a group is no longer tried together.
_FORGET_EVERY = 600.0  # seconds


class _JobFailed(Exception):
    """A job of a group raised ``error``; the group's transaction is rolled back."""

    def __init__(self, job: Job, error: Exception) -> None:
        self.job, self.error = job, error


class Writer:
    """A thread that runs jobs in transactions, and answers a job only when its work is durable.

    ``groups`` and ``jobs`` count those that are done since the writer started. ``refused`` says why
    and when (monotonic seconds) the database last refused to store something; None: not since.
    """

    def __init__(self, engine: Engine, runtime: Runtime) -> None:
        self._engine, self._runtime = engine, runtime
        self._jobs: deque[Job] = deque()
        self._enough = threading.Condition()
        self._closed = False
        self._forget_at = 0.0
        self._expected = self._wanted = 1
        self.groups = self.jobs = 0
        self.refused: tuple[str, float] | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        run: Callable[[Transaction], T],
        act: AuditAction | None = None,
        key: IdempotencyKey | None = None,
        *,
        is_panel: bool = False,
    ) -> "Future[T]":
        """Queue a job; return its future answer or error, set when its transaction has ended.

        ``act`` is its entry in the audit (None: it touches no patient's data). With ``key`` the job
        returns an ``Answer``, and is not run if one is kept. A panel stores results of its act's
        patient; the panels of a group lock and add their patients together.

        Raises:
            Unavailable: too many jobs are waiting, or the writer is closing.
        """
        answer: Future[T] = Future()
        self._queue(Job(run, act, key, is_panel, answer))
        return answer

    async def ask(
        self,
        run: Callable[[Transaction], T],
        act: AuditAction | None = None,
        key: IdempotencyKey | None = None,
        *,
        is_panel: bool = False,
    ) -> T:
        """Queue a job as ``submit`` does, and return its answer, for which the loop waits."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue(Job(run, act, key, is_panel, answer))
        return await answer

    def _queue(self, job: Job) -> None:
        with self._enough:
            if self._closed:
                raise Unavailable("the service is stopping")
            if len(self._jobs) >= _MOST_WAITING:
                raise Unavailable("too many requests are waiting to be stored")
            self._jobs.append(job)
            if len(self._jobs) >= self._wanted:
                self._enough.notify()

    @property
    def waiting(self) -> int:
        """The number of jobs that are queued and not yet begun."""
        return len(self._jobs)

    def close(self) -> None:
        """Finish the waiting jobs, then stop the thread."""
        with self._enough:
            self._closed = True
            self._enough.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._group():
            # The job of a caller who has left is skipped; from here on none can be cancelled.
            self._commit([job for job in group if job.begin()])
            self.groups, self.jobs = self.groups + 1, self.jobs + len(group)
            self._expected = min(len(group) + self.waiting, _MOST_IN_GROUP)

    def _group(self) -> list[Job]:
        """Return the jobs to commit next; none: the writer is closed.

        After the first job it waits a moment for as many as came the last time: the two halves of
        16 clients would else be committed by turns, which took a fifth more CPU time. A single
        client waits for nobody. The last job of them wakes the thread, not each.
        """

        def enough() -> bool:
            return self._closed or len(self._jobs) >= self._wanted

        with self._enough:
            self._enough.wait_for(enough)
            self._wanted = self._expected
            self._enough.wait_for(enough, _LINGER_SECONDS)
            self._wanted = 1
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _MOST_IN_GROUP))]

    def _commit(self, group: list[Job]) -> None:
        """Commit a group; a job that fails is taken out and run in a transaction of its own."""
        failed_jobs: list[Job] = []
        while group and len(failed_jobs) <= _MOST_FAILED:
            try:
                answers = self._commit_together(group)
            except _JobFailed as failed:
                failed_jobs.append(failed.job)
                group = [job for job in group if job is not failed.job]
                continue
            except Exception as error:
                if not is_unavailable(error) or is_crossed(error):
                    break  # Run alone, each job shows whether it is the cause.
                self._fail(group, error)
            else:
                self._succeed(group, answers)
            group = []
        for job in [*group, *failed_jobs]:
            self._commit_alone(job)

    def _commit_alone(self, job: Job) -> None:
        for is_last in (False, False, True):
            try:
                answers = self._commit_together([job])
            except Exception as error:
                if isinstance(error, _JobFailed):
                    error = error.error
                if not is_last and is_crossed(error):
                    continue
                self._fail([job], error)
            else:
                self._succeed([job], answers)
            return

    def _fail(self, group: Sequence[Job], error: Exception) -> None:
        """Give each caller the error; a database's without its text, which may hold values."""
        if is_unavailable(error):
            error = unavailable(error)
            self.refused = str(error), self._runtime.monotonic()
        elif isinstance(error, SQLAlchemyError):
            text = f"the database refuses a statement ({type(error).__name__})"
            error = RuntimeError(text).with_traceback(error.__traceback__)
        tell((job, None, error) for job in group)

    def _succeed(self, group: Sequence[Job], answers: Sequence[Any]) -> None:
        if any(job.act for job in group):
            self.refused = None
        tell((job, answer, None) for job, answer in zip(group, answers, strict=True))

    def _commit_together(self, group: Sequence[Job]) -> list[Any]:
        """Run and commit the jobs with their audit entries, and return their answers."""
        with begin(self._engine, self._runtime) as transaction:
            if self._runtime.monotonic() > self._forget_at:
                forget_old_answers(transaction)
                self._forget_at = self._runtime.monotonic() + _FORGET_EVERY
            claims = Claims(transaction, [job.key for job in group if job.key])
            panels, answers = _panels(group, claims), dict[int, Any]()
            acts: list[tuple[AuditAction, Written]] = []
            for job in sorted(group, key=lambda job: job.rank):
                if job.is_panel and job.act and (names := panels.pop(job.act.study, None)):
                    lock_and_load_patients(transaction, job.act.study, names)
                transaction.pop_written()
                try:
                    answers[id(job)] = answer = _run(transaction, job, claims)
                except Exception as error:
                    raise _JobFailed(job, error) from error
                written = transaction.pop_written()
                if job.act:
                    acts.append((_with_outcome(job.act, answer), written))
                elif written.digests or written.kept:
                    raise _JobFailed(job, AssertionError("a write that the audit does not tell of"))
            claims.write()
            write_entries(transaction, acts)
        return [answers[id(job)] for job in group]


def _panels(group: Sequence[Job], claims: Claims) -> dict[str, set[str]]:
    """Return the patients of the panels to be run, by study; a study with only one is left out."""
    found: dict[str, set[str]] = {}
    for job in group:
        if job.is_panel and job.act and job.act.patient and claims.is_new(job.key):
            found.setdefault(job.act.study, set()).add(job.act.patient)
    return {study: names for study, names in found.items() if len(names) > 1}


def _run(transaction: Transaction, job: Job, claims: Claims) -> Any:
    """Run a job unless an answer is kept under its key; return that or the new answer."""
    if job.key is None:
        return job.run(transaction)
    if (earlier := claims.answer(job.key)) is not None:
        return earlier
    answer = job.run(transaction)
    claims.keep(job.key, answer)
    return answer


def _with_outcome(act: AuditAction, answer: object) -> AuditAction:
    """Return the act with its outcome: ``replayed`` if an earlier request got the answer."""
    replayed = isinstance(answer, Answer) and answer.replayed
    return replace(act, outcome="replayed") if replayed else act
