"""A job of the writer, and how its caller is answered: once, in a thread or in an event loop."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.preconditions import IdempotencyKey


@dataclass(slots=True)
class Job:
    """What is run in a transaction, as ``Writer.submit`` takes it, and what its caller awaits."""

    run: Callable[[Transaction], Any]
    act: AuditAction | None
    key: IdempotencyKey | None
    is_panel: bool
    answer: Future[Any] | asyncio.Future[Any]

    @property
    def rank(self) -> tuple[str, bool, str]:
        """The job's rank in the order of locks: by study and patient, the whole study first; the
        panels of a study, which add patients together, come after its other jobs.
        """
        study, patient = (self.act.study, self.act.patient or "") if self.act else ("", "")
        return study, self.is_panel, patient

    def begin(self) -> bool:
        """Return whether the caller still waits; the job is then done even if the caller leaves."""
        if isinstance(self.answer, asyncio.Future):
            return not self.answer.cancelled()
        return self.answer.set_running_or_notify_cancel()


Outcome = tuple[Job, Any, Exception | None]
"""A job with its answer, or with an error (None: it has an answer)."""


def tell(outcomes: Iterable[Outcome]) -> None:
    """Answer each job's caller; those in one event loop together, which is woken once for all."""
    in_loops = defaultdict[asyncio.AbstractEventLoop, list[Outcome]](list)
    for outcome in outcomes:
        answer = outcome[0].answer
        if isinstance(answer, asyncio.Future):
            in_loops[answer.get_loop()].append(outcome)
        else:
            _tell(*outcome)
    for loop, found in in_loops.items():
        with suppress(RuntimeError):  # The loop is closed: nobody waits in it any more.
            loop.call_soon_threadsafe(_tell_here, found)


def _tell_here(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if not outcome[0].answer.done():  # The caller may have left since the job began.
            _tell(*outcome)


def _tell(job: Job, answer: Any, error: Exception | None) -> None:
    if error is None:
        job.answer.set_result(answer)
    else:
        job.answer.set_exception(error)
