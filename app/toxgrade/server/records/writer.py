"""One writer per process: everything that waits is committed together, then each is answered.

A commit costs a disk flush whatever it holds, so sharing one among concurrent requests measured 3
to 6 times the throughput of a commit each, on both databases.

A transaction takes its locks in one order, so that several processes hardly ever wait in a circle:
keys of repeated requests, then patients by study and name, then the heads of the audit's chains.
Where they do, PostgreSQL ends one of them, whose jobs are tried again, each alone.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from toxgrade.errors import Unavailable
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.db.append import pop_written
from toxgrade.server.records.db.unit_of_work import Written, unit_of_work
from toxgrade.server.records.patient_state import lock_and_load_patients
from toxgrade.server.records.preconditions import Answer, Claims, IdempotencyKey, forget_old_answers

T = TypeVar("T")

_WAITING = 1000  # jobs; more than that cannot be answered in reasonable time
_GROUP = 64  # jobs in one commit: beyond this the flush is no longer what costs
_LINGER = 0.002  # seconds: callers who were just answered often come again at once
_ASIDE = 4  # failed jobs before a group is no longer tried together
_FORGET_EVERY = 600.0  # seconds
_CIRCLES = ("40P01", "40001")  # PostgreSQL: deadlock, serialization failure; tried again


@dataclass(slots=True)
class _Job:
    run: Callable[[Connection], Any]
    act: AuditAction | None
    once: IdempotencyKey | None
    is_panel: bool = False
    answer: "Future[Any]" = field(default_factory=Future)

    @property
    def place(self) -> tuple[str, bool, str]:
        """Where the job comes in the order of locks: by study and patient, what is of a whole study
        before what is of one; the panels, which add patients together, after all else.
        """
        study, patient = (self.act.study, self.act.patient or "") if self.act else ("", "")
        return study, self.is_panel, patient


class _JobFailed(Exception):
    """A job of a group raised ``error``; the group's transaction is rolled back."""

    def __init__(self, job: _Job, error: Exception) -> None:
        self.job, self.error = job, error


class Writer:
    """Runs jobs on its own thread, in transactions; answers a job only once its work is durable.

    ``groups`` and ``jobs`` count what it has decided since it started.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: deque[_Job] = deque()
        self._enough = threading.Condition()
        self._closed = False
        self._forget_at = 0.0
        self._expected = self._wanted = 1
        self.groups = self.jobs = 0
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        run: Callable[[Connection], T],
        act: AuditAction | None = None,
        once: IdempotencyKey | None = None,
        *,
        is_panel: bool = False,
    ) -> "Future[T]":
        """Hand in a job; its answer, or what it raised, comes after its transaction has ended.

        ``act`` is what the audit says of it (None: nothing of a patient's). With ``once`` the job
        returns an ``Answer``, and is not run again if one is kept. A panel stores results of its
        act's patient, who is added where new: the panels of a group do that together.

        Raises:
            Unavailable: too many jobs are waiting, or the writer is closing.
        """
        job = _Job(run, act, once, is_panel)
        with self._enough:
            if self._closed:
                raise Unavailable("the service is stopping")
            if len(self._jobs) >= _WAITING:
                raise Unavailable("too many requests are waiting to be stored")
            self._jobs.append(job)
            if len(self._jobs) >= self._wanted:
                self._enough.notify()
        return job.answer

    @property
    def waiting(self) -> int:
        """Jobs handed in and not yet begun."""
        return len(self._jobs)

    def close(self) -> None:
        """Finish what is waiting, then stop."""
        with self._enough:
            self._closed = True
            self._enough.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._group():
            # A caller that went away before its turn is skipped; from here on none can.
            self._commit([job for job in group if job.answer.set_running_or_notify_cancel()])
            self.groups, self.jobs = self.groups + 1, self.jobs + len(group)
            self._expected = min(len(group) + self.waiting, _GROUP)

    def _group(self) -> list[_Job]:
        """The jobs to commit next; none: the writer is closed.

        With the first it waits a moment for as many as there were the last time: of 16 clients two
        halves would be committed by turns, which took a fifth more CPU time. One client alone waits
        for nobody. It is woken for the last of them, not for each.
        """

        def enough() -> bool:
            return self._closed or len(self._jobs) >= self._wanted

        with self._enough:
            self._enough.wait_for(enough)
            self._wanted = self._expected
            self._enough.wait_for(enough, _LINGER)
            self._wanted = 1
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _GROUP))]

    def _commit(self, group: list[_Job]) -> None:
        """Commit a group. A job that fails is set aside and decided by a transaction of its own."""
        aside: list[_Job] = []
        while group and len(aside) <= _ASIDE:
            try:
                answers = self._together(group)
            except _JobFailed as failed:
                aside.append(failed.job)
                group = [job for job in group if job is not failed.job]
                continue
            except Exception as error:
                if not _is_gone(error):
                    break  # whose fault it is shows when each is alone
                _fail(group, error)
            else:
                for job, answer in zip(group, answers, strict=True):
                    job.answer.set_result(answer)
            group = []
        for job in [*group, *aside]:
            self._alone(job)

    def _alone(self, job: _Job) -> None:
        for last in (False, False, True):
            try:
                (answer,) = self._together([job])
            except Exception as error:
                if not last and _sqlstate(error) in _CIRCLES:
                    continue
                _fail([job], error)
            else:
                job.answer.set_result(answer)
            return

    def _together(self, group: Sequence[_Job]) -> list[Any]:
        """The jobs' answers, once what they did is committed with its entries in the audit."""
        with self._engine.begin() as connection:
            if time.monotonic() > self._forget_at:
                forget_old_answers(connection)
                self._forget_at = time.monotonic() + _FORGET_EVERY
            claims = Claims(connection, [job.once for job in group if job.once])
            panels, answers = _panels(group, claims), dict[int, Any]()
            acts: list[tuple[AuditAction, Written]] = []
            for job in sorted(group, key=lambda job: job.place):
                if job.is_panel and job.act and (names := panels.pop(job.act.study, None)):
                    lock_and_load_patients(connection, job.act.study, names)
                pop_written(connection)
                try:
                    answers[id(job)] = answer = _run(connection, job, claims)
                except Exception as error:
                    raise _JobFailed(job, error) from error
                written = pop_written(connection)
                if job.act:
                    acts.append((_after(job.act, answer), written))
                elif written.digests:
                    raise _JobFailed(job, AssertionError("a write that the audit does not tell of"))
            unit_of_work(connection).write(connection)
            claims.write()
            write_entries(connection, acts)
        return [answers[id(job)] for job in group]


def _panels(group: Sequence[_Job], claims: Claims) -> dict[str, set[str]]:
    """The patients of the panels that are to be stored, by study; none of a study with but one."""
    found: dict[str, set[str]] = {}
    for job in group:
        if job.is_panel and job.act and job.act.patient and claims.is_new(job.once):
            found.setdefault(job.act.study, set()).add(job.act.patient)
    return {study: names for study, names in found.items() if len(names) > 1}


def _run(connection: Connection, job: _Job, claims: Claims) -> Any:
    if job.once is None:
        return job.run(connection)
    if (earlier := claims.answer(job.once)) is not None:
        return earlier
    answer = job.run(connection)
    claims.keep(job.once, answer)
    return answer


def _after(act: AuditAction, answer: object) -> AuditAction:
    """The act with its outcome: an answer from an earlier request changed nothing."""
    replayed = isinstance(answer, Answer) and answer.replayed
    return replace(act, outcome="replayed") if replayed else act


def _fail(group: Sequence[_Job], error: Exception) -> None:
    """Tell each caller; a database's error without its text, which holds the statement's values."""
    if isinstance(error, _JobFailed):
        error = error.error
    if isinstance(error, SQLAlchemyError):
        error = Unavailable(f"the database could not store this ({type(error).__name__})")
    for job in group:
        job.answer.set_exception(error)


def _is_gone(error: Exception) -> bool:
    """Whether there is no database to try again on: gone, full, or locked for too long."""
    return isinstance(error, OperationalError) and _sqlstate(error) not in _CIRCLES


def _sqlstate(error: Exception) -> str | None:
    found = error.error if isinstance(error, _JobFailed) else error
    return getattr(found.orig, "sqlstate", None) if isinstance(found, DBAPIError) else None
