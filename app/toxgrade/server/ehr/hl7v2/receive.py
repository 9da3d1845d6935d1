"""Reading, storing and acknowledging reports of results of HL7 v2.1 to 2.9."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from toxgrade.errors import RequestError, Unavailable
from toxgrade.grading.flags import STORED_FLAGS, Flag
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.hl7v2.acknowledge import Remark, accepted, refused
from toxgrade.server.ehr.hl7v2.message import Message, Segment
from toxgrade.server.ehr.hl7v2.observation import PASSED_OVER
from toxgrade.server.ehr.hl7v2.report import Site, read_oru
from toxgrade.server.ehr.hl7v2.stream import Sent, parse, read_header, split
from toxgrade.server.process import places
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.store import Stored, store
from toxgrade.server.runtime import Runtime

_log = structlog.get_logger()
_LATE = "dated after the patient's death as it is recorded"
_TOLD = (*STORED_FLAGS, Flag.UNLIKELY_DATE)
_MAX_LOOP_CHARACTERS = 50_000
"""A longer message, which takes more than some 5 ms, is read in a thread."""

Write = Callable[[Callable[[Transaction], str], str | None, int], Awaitable[str]]
"""Runs the job that stores and acknowledges a message, and returns the acknowledgement. It is given
the job, the patient (None: not exactly one) and the message's number in the request, from 0."""


@dataclass(frozen=True, slots=True)
class Received:
    """The acknowledgements that were asked for; ``retry``: the database did not answer for one.

    They are in up to two parts: those that came first for each message, and in the enhanced mode
    the application acknowledgements that follow an accept acknowledgement.
    """

    parts: tuple[bytes, ...]
    retry: bool = False


def refused_unread(runtime: Runtime, begun: bytes, text: str) -> bytes:
    """Return the answer to what is not taken, which names the message if its header has come.

    ``begun`` is how it begins.
    """
    try:
        header = read_header(split(begun)[0])
    except RequestError:
        header = None
    return refused(runtime, header, RequestError(text)).encode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of messages for one study; ``write`` runs a job and returns once it is durable.

    ``rules`` reads the study's rules, whose dictionary has the site's own names.
    """

    study: str
    graders: Graders
    write: Write
    rules: Callable[[], Awaitable[Rules]]
    site: Site
    max_results: int
    runtime: Runtime

    async def receive(self, data: bytes, charset: str | None = None) -> Received:
        """Store each message in its own transaction, in order, and return the acknowledgements.

        ``charset`` is the one that the sender declares beside the messages.
        """
        try:
            is_long = len(data) > _MAX_LOOP_CHARACTERS
            messages = await run_in_threadpool(split, data) if is_long else split(data)
        except RequestError as error:
            return Received((refused(self.runtime, None, error).encode("ascii", "replace"),))
        if len(messages) > self.max_results:
            many = RequestError(f"more than {self.max_results} messages: send fewer at once")
            return Received((refused(self.runtime, None, many).encode("ascii", "replace"),))
        parts, retry = (bytearray(), bytearray()), False
        for number, sent in enumerate(messages):
            answer, codec, again = await self._store(sent, number, charset)
            retry = retry or again
            for part, acknowledgement in zip(
                parts, re.split("(?<=\r)(?=MSH)", answer), strict=False
            ):
                part += acknowledgement.encode(codec, "replace")
        return Received(tuple(bytes(part) for part in parts if part), retry)

    async def _store(self, sent: Sent, number: int, charset: str | None) -> tuple[str, str, bool]:
        """Store one message; return its acknowledgements, their codec, and whether to try again."""
        header, codec = read_header(sent), "ascii"
        remarks = [*sent.remarks]
        is_long = sum(map(len, sent.lines)) > _MAX_LOOP_CHARACTERS
        try:
            given = (sent, charset)
            message = (
                await run_in_threadpool(self._parse, *given) if is_long else self._parse(*given)
            )
            header, codec = message.header, message.codec
            names = self.graders.for_rules(await self.rules()).names
            reading = (message, names, self.site, remarks)
            read = await run_in_threadpool(read_oru, *reading) if is_long else read_oru(*reading)
            submissions = [
                Submission(
                    self.study,
                    p.patient,
                    p.results,
                    None,
                    is_message=True,
                    passes_over_after_death=True,
                )
                for p in read
            ]
            patient = submissions[0].patient if len(submissions) == 1 else None

            def job(transaction: Transaction) -> str:
                stored = [store(transaction, each, self.graders) for each in submissions]
                return _accepted(self.runtime, message.header, submissions, stored, remarks)

            return await self.write(job, patient, number), codec, False
        except Unavailable as error:
            return (
                refused(self.runtime, header, RequestError(f"{error}; send it again")),
                codec,
                True,
            )
        except RequestError as error:
            return refused(self.runtime, header, error, sent.remarks), codec, False
        except Exception as error:  # The sender must have an answer: it would send it for ever.
            _log.error("unforeseen error", error=type(error).__name__, places=places(error))
            return (
                refused(self.runtime, header, RequestError("unforeseen error; it is logged")),
                codec,
                False,
            )

    def _parse(self, sent: Sent, charset: str | None) -> Message:
        """Return the message that was sent.

        Raises:
            RequestError: it cannot be read, or has too many results. These are counted first: the
                segments of 8 MB keep other threads waiting for 89 ms when they are collected.
        """
        if sum(line.startswith("OBX") for line in sent.lines) > self.max_results:
            raise RequestError(f"more than {self.max_results} results: send a batch")
        return parse(sent, charset, self.site.charset)


def _accepted(
    runtime: Runtime,
    header: Segment,
    sent: Sequence[Submission],
    stored: Sequence[Stored],
    remarks: Sequence[Remark],
) -> str:
    """Return the answer to a message that is stored; it names what is undecided or doubtful."""
    grades = [grade for each in stored for grade in each.grades]
    undecided = sum(grade.grade is None for grade in grades)
    told = [*remarks]
    for answer in stored:
        told += [Remark(loc, PASSED_OVER, f"passed over: {_LATE}") for loc in answer.after_death]
    results = sum(len(s.results) - len(a.after_death) for s, a in zip(sent, stored, strict=True))
    passed_over = sum(remark.code == PASSED_OVER for remark in told)
    text = f"{results} results stored, {len(grades)} gradings, {undecided} undecided"
    text += f", {passed_over} passed over" if passed_over else ""
    for submission, answer in zip(sent, stored, strict=True):
        for (loc, _), rows in zip(submission.results, answer.of_results, strict=True):
            reasons = {r.reason: None for r in rows if r.grade is None and r.reason}
            told += [Remark(loc, reason, f"undecided: {reason}", "I") for reason in reasons]
            flags = {flag for row in rows for flag in row.flags}
            told += [Remark(loc, f, f"stored, but see: {f}") for f in _TOLD if f in flags]
    return accepted(runtime, header, text, told)
