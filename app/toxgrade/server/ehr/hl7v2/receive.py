"""Reading, storing and acknowledging reports of results of HL7 v2.1 to 2.9."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from toxgrade.errors import FieldFault, RequestError, Unavailable
from toxgrade.grading.result import STORED_FLAGS, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.acknowledge import (
    DATA_TYPE,
    REQUIRED_MISSING,
    Remark,
    accepted,
    refused,
)
from toxgrade.server.ehr.hl7v2.message import SURROGATE, Message, Segment
from toxgrade.server.ehr.hl7v2.observation import PASSED_OVER, read_observation
from toxgrade.server.ehr.hl7v2.orders import read_orders
from toxgrade.server.ehr.hl7v2.stream import (
    SEGMENTS,
    Sent,
    check_kind,
    parse,
    read_header,
    split,
)
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.store import Stored, Submission, store
from toxgrade.server.records.studies import PATIENT_NAME

_MAX_LOOP_CHARACTERS = 50_000
"""A longer message, which takes more than some 5 ms, is read in a thread."""

Write = Callable[[Callable[[Connection], str], str | None, int], Awaitable[str]]
"""Runs the job that stores and acknowledges a message, and returns the acknowledgement. It is given
the job, the patient (None: not exactly one) and the message's number in the request, from 0."""


@dataclass(frozen=True, slots=True)
class PatientResults:
    """The results of one patient in a message, each with its place there."""

    patient: str
    results: tuple[tuple[Loc, LabResult], ...]


@dataclass(frozen=True, slots=True)
class Site:
    """What a site has agreed on in addition to the standard.

    ``authority``: the assigning authority whose identifier in PID-3 is the study's pseudonym; None:
    the first one is. ``codes``: analytes by local codes of OBX-3. ``charset``: that of messages
    that declare none.
    """

    authority: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    charset: str | None = None


def check_codes(codes: Mapping[str, str], names: Names) -> None:
    """Check a site's codes before anything is read by them.

    Raises:
        RequestError: a code stands for something that is not an analyte.
    """
    for code, analyte in codes.items():
        if names.analyte(analyte) is None:
            text = f"TOXGRADE_HL7V2_CODES: {code} stands for {analyte}, which is no analyte"
            raise RequestError(f"{text}; GET /v1/analytes names them")


def read_oru(
    message: Message, names: Names, site: Site, remarks: list[Remark]
) -> list[PatientResults]:
    """Read every observation by patient. Notes are ignored.

    What is passed over, and what else the sender should know, is added to ``remarks``.

    Raises:
        RequestError: it is another kind of message, or has fields that cannot be accepted; nothing
            of it may be stored then.
    """
    check_kind(message.header)
    faults: list[FieldFault] = []
    patients: dict[int, str] = {}
    found: dict[str, list[tuple[Loc, LabResult]]] = {}
    orders = read_orders(message)
    for order in orders:
        for obx in order.observations:
            result = read_observation(obx, order, names, site.codes, faults, remarks)
            if result is None:
                continue
            person = order.pid.sequence if order.pid else 0
            if person not in patients:
                patients[person] = _patient(order.pid, site, faults)
            found.setdefault(patients[person], []).append((("OBX", obx.sequence), result))
    if faults:
        raise RequestError("the message has fields that cannot be accepted", faults)
    remarks += _oddities(message)
    shared = {*orders[0].shared_numbers} - {""}
    for obx in (obx for order in orders for obx in order.observations):
        if (number := obx.component(21)) in shared:
            shared.remove(number)
            text = "stands on several tests or patients: it identifies none of them"
            remarks.append(Remark(("OBX", obx.sequence, 21), "shared-number", text))
    return [PatientResults(name, tuple(sent)) for name, sent in sorted(found.items())]


def _oddities(message: Message) -> list[Remark]:
    """Return what is odd in the message but entered no result."""
    found = []
    for segment in message.segments:
        if segment.name not in SEGMENTS and not segment.name.startswith("Z"):
            text = "passed over: not a segment of a report"
            found.append(Remark((segment.name, segment.sequence), "unknown-segment", text))
    if not any(segment.name == "OBX" for segment in message.segments):
        found.append(Remark((), "no-observation", "the message has no OBX"))
    if any(SURROGATE.search(field) for segment in message.segments for field in segment.fields):
        text = "fields that are not read have bytes of another charset"
        found.append(Remark(("MSH", 1, 18), "charset", text))
    return found


def _patient(pid: Segment | None, site: Site, faults: list[FieldFault]) -> str:
    """Return the pseudonym: the first identifier of PID-3, or that of the agreed authority."""

    def refuse(code: str, text: str) -> None:
        faults.append(FieldFault(("PID", pid.sequence if pid else 1, 3), code, text))

    wanted = site.authority
    identifiers = pid.repetitions(3) if pid else []
    for identifier in identifiers[: None if wanted else 1]:
        authorities = [identifier.component(3, 4, n) for n in (1, 2)]
        name = identifier.component(3)
        if name and (wanted is None or wanted in authorities):
            if not PATIENT_NAME.fullmatch(name):
                refuse(DATA_TYPE, f"expected the study's pseudonym, {PATIENT_NAME.pattern}")
            return name
    refuse(REQUIRED_MISSING, f"required: the identifier of {wanted}" if wanted else "required")
    return ""


@dataclass(frozen=True, slots=True)
class Received:
    """The acknowledgements that were asked for; ``retry``: the database did not answer for one.

    They are in up to two parts: those that came first for each message, and in the enhanced mode
    the application acknowledgements that follow an accept acknowledgement.
    """

    parts: tuple[bytes, ...]
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of messages for one study; ``write`` runs a job and returns once it is durable."""

    study: str
    graders: Graders
    write: Write
    site: Site
    max_results: int

    async def receive(self, data: bytes, charset: str | None = None) -> Received:
        """Store each message in its own transaction, in order, and return the acknowledgements.

        ``charset`` is the one that the sender declares beside the messages.
        """
        try:
            is_long = len(data) > _MAX_LOOP_CHARACTERS
            messages = await run_in_threadpool(split, data) if is_long else split(data)
        except RequestError as error:
            return Received((refused(None, error).encode("ascii", "replace"),))
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
            given = (sent, charset, self.site.charset)
            message = await run_in_threadpool(parse, *given) if is_long else parse(*given)
            header, codec = message.header, message.codec
            reading = (message, remarks)
            read = (
                await run_in_threadpool(self._read, *reading) if is_long else self._read(*reading)
            )
            submissions = [
                Submission(self.study, p.patient, p.results, None, is_message=True) for p in read
            ]
            patient = submissions[0].patient if len(submissions) == 1 else None

            def job(connection: Connection) -> str:
                stored = [store(connection, each, self.graders) for each in submissions]
                return _accepted(message.header, submissions, stored, remarks)

            return await self.write(job, patient, number), codec, False
        except Unavailable as error:
            return refused(header, RequestError(f"{error}; send it again")), codec, True
        except RequestError as error:
            return refused(header, error, sent.remarks), codec, False

    def _read(self, message: Message, remarks: list[Remark]) -> list[PatientResults]:
        """Return the results of a message by patient.

        Raises:
            RequestError: the message cannot be accepted, or has too many results.
        """
        if sum(segment.name == "OBX" for segment in message.segments) > self.max_results:
            raise RequestError(f"more than {self.max_results} results: send a batch")
        return read_oru(message, self.graders.for_rules(Rules()).names, self.site, remarks)


def _accepted(
    header: Segment, sent: Sequence[Submission], stored: Sequence[Stored], remarks: Sequence[Remark]
) -> str:
    """Return the answer to a message that is stored; it names what is undecided or doubtful."""
    grades = [grade for each in stored for grade in each.grades]
    undecided = sum(grade["grade"] is None for grade in grades)
    results = sum(len(each.results) for each in sent)
    passed_over = sum(remark.code == PASSED_OVER for remark in remarks)
    text = f"{results} results stored, {len(grades)} gradings, {undecided} undecided"
    text += f", {passed_over} passed over" if passed_over else ""
    told = [*remarks]
    for submission, answer in zip(sent, stored, strict=True):
        for (loc, _), rows in zip(submission.results, answer.of_results, strict=True):
            reasons = {row["reason"]: None for row in rows if row["grade"] is None}
            told += [Remark(loc, reason, f"undecided: {reason}", "I") for reason in reasons]
            flags = {flag for row in rows for flag in row["flags"].split()}
            told += [Remark(loc, f, f"stored, but see: {f}") for f in STORED_FLAGS if f in flags]
    return accepted(header, text, told)
