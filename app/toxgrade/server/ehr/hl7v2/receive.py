"""What becomes of HL7 v2 messages, whichever way they came: stored, and acknowledged one by one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from toxgrade.errors import RequestError, Unavailable
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.hl7v2.acknowledge import acknowledge, refused
from toxgrade.server.ehr.hl7v2.message import Message, Segment, decode, parse, split
from toxgrade.server.ehr.hl7v2.observation import Site
from toxgrade.server.ehr.hl7v2.oru import PatientResults, read_oru
from toxgrade.server.records.store import Stored, Submission, store

_IN_THE_LOOP = 50_000
"""Bytes up to which messages are read in the event loop (some 5 ms); more in a thread."""

Write = Callable[[Callable[[Connection], str], str | None, int], Awaitable[str]]
"""Runs the job that stores a message and acknowledges it; of a patient (None: of several), and the
message's number among those that came together, from 0."""


@dataclass(frozen=True, slots=True)
class Received:
    """The acknowledgements, one for each message; ``again``: the database could not answer."""

    acknowledgements: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes messages for one study; ``write`` runs a job and answers once it is durable."""

    study: str
    graders: Graders
    write: Write
    site: Site
    most_results: int

    async def receive(self, data: bytes) -> Received:
        """Store each message in a transaction of its own, in the order in which they came."""
        try:
            text, charset = decode(data)
        except RequestError as error:
            return Received(refused(None, error).encode("ascii", "replace"))
        messages = split(text) or [[""]]
        answers = [await self._one(lines, number) for number, lines in enumerate(messages)]
        told = "".join(answer for answer, _ in answers)
        return Received(told.encode(charset, "replace"), any(again for _, again in answers))

    async def _one(self, lines: list[str], number: int) -> tuple[str, bool]:
        """The acknowledgement of one message, and whether it should be sent again."""
        header = None
        long = sum(map(len, lines)) > _IN_THE_LOOP
        try:
            message = await run_in_threadpool(parse, lines) if long else parse(lines)
            header = message.header
            read = await run_in_threadpool(self._read, message) if long else self._read(message)
            sent = [Submission(self.study, p.patient, p.results, None) for p in read]
            one = sent[0].patient if len(sent) == 1 else None

            def keep(connection: Connection) -> str:
                stored = [store(connection, each, self.graders) for each in sent]
                return _accepted(message.header, sent, stored)

            return await self.write(keep, one, number), False
        except Unavailable as error:
            return refused(header, RequestError(f"{error}; send it again")), True
        except RequestError as error:
            return refused(header, error), False

    def _read(self, message: Message) -> list[PatientResults]:
        """The message's results.

        Raises:
            RequestError: it is not taken as it is, or is a file.
        """
        if sum(segment.name == "OBX" for segment in message.segments) > self.most_results:
            raise RequestError(f"more than {self.most_results} results: send a batch")
        return read_oru(message, self.graders.under(Rules()).names, self.site)


def _accepted(header: Segment, sent: Sequence[Submission], stored: Sequence[Stored]) -> str:
    grades = [grade for each in stored for grade in each.grades]
    undecided = sum(grade["grade"] is None for grade in grades)
    results = sum(len(each.results) for each in sent)
    text = f"{results} results stored, {len(grades)} gradings, {undecided} undecided"
    return acknowledge(header, "AA", text)
