"""Reading, storing and acknowledging ORU^R01 messages of HL7 v2.3 to 2.8."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from toxgrade.errors import FieldFault, RequestError, Unavailable
from toxgrade.grading.result import LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.acknowledge import acknowledge, refused
from toxgrade.server.ehr.hl7v2.message import (
    DATA_TYPE,
    REQUIRED_MISSING,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Message,
    Segment,
    decode,
    parse,
    split,
)
from toxgrade.server.ehr.hl7v2.observation import Order, Site, read_observation
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.store import Stored, Submission, store
from toxgrade.server.records.studies import PATIENT_NAME

_VERSIONS = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8")
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


def read_oru(message: Message, names: Names, site: Site) -> list[PatientResults]:
    """Read every observation by patient; of a repeated one, the last counts. Notes are ignored.

    Raises:
        RequestError: it is another kind of message, or has fields that cannot be accepted; nothing
            of it may be stored then.
    """
    _check_header(message.header)
    faults: list[FieldFault] = []
    patients: dict[int, str] = {}
    found: dict[str, dict[tuple[object, ...], tuple[Loc, LabResult]]] = {}
    for order in _orders(message):
        if not order.observations:
            continue
        person = order.pid.sequence if order.pid else 0
        if person not in patients:
            patients[person] = _patient(order.pid, site, faults)
        results = found.setdefault(patients[person], {})
        for obx in order.observations:
            result = read_observation(obx, order, names, site, faults)
            results[_repeat_key(result, order, obx, names)] = (("OBX", obx.sequence), result)
    if faults:
        raise RequestError("the message has fields that cannot be accepted", faults)
    return [PatientResults(name, tuple(sent.values())) for name, sent in sorted(found.items())]


def _repeat_key(result: LabResult, order: Order, obx: Segment, names: Names) -> tuple[object, ...]:
    """Return the key that is the same for repetitions of an observation in a message."""
    analyte = names.analyte(result.analyte)
    name = analyte.name if analyte else result.analyte.casefold()
    return name, result.source_id or (order.number, obx.component(4)), result.collected


def _check_header(msh: Segment) -> None:
    """Refuse a message that is not an ORU^R01 of an accepted version."""
    kind, event, version = msh.component(9), msh.component(9, 2), msh.component(12)
    checks = (
        (kind == "ORU", 9, UNSUPPORTED_TYPE, "expected ORU^R01"),
        (event in ("R01", ""), 9, UNSUPPORTED_EVENT, "expected ORU^R01"),
        (version[:3] in _VERSIONS, 12, UNSUPPORTED_VERSION, "expected version 2.3 to 2.8"),
    )
    for holds, place, code, text in checks:
        if not holds:
            fault = FieldFault(("MSH", 1, place), code, text)
            raise RequestError("this kind of message is not taken", [fault])


def _orders(message: Message) -> list[Order]:
    """Return the observations by order; those before a patient's first order form one, too."""
    orders = [Order(message.header, None, None)]
    for segment in message.segments:
        order = orders[-1]
        if segment.name == "PID":
            orders.append(Order(message.header, segment, None, len(orders)))
        elif segment.name == "OBR":
            specimen = segment.component(15)
            orders.append(Order(message.header, order.pid, segment, len(orders), specimen))
        elif segment.name == "SPM":
            order.specimen = segment.component(4) or order.specimen
        elif segment.name == "OBX":
            order.observations.append(segment)
    return orders


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
    """The acknowledgements, one per message; ``retry``: the database did not answer for one."""

    acknowledgements: bytes
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of messages for one study; ``write`` runs a job and returns once it is durable."""

    study: str
    graders: Graders
    write: Write
    site: Site
    max_results: int

    async def receive(self, data: bytes) -> Received:
        """Store each message in its own transaction, in order, and return the acknowledgements."""
        try:
            text, charset = decode(data)
        except RequestError as error:
            return Received(refused(None, error).encode("ascii", "replace"))
        messages = split(text) or [[""]]
        answers = [await self._store(lines, number) for number, lines in enumerate(messages)]
        joined = "".join(answer for answer, _ in answers)
        return Received(joined.encode(charset, "replace"), any(retry for _, retry in answers))

    async def _store(self, lines: list[str], number: int) -> tuple[str, bool]:
        """Store one message; return its acknowledgement, and whether it should be sent again."""
        header = None
        is_long = sum(map(len, lines)) > _MAX_LOOP_CHARACTERS
        try:
            message = await run_in_threadpool(parse, lines) if is_long else parse(lines)
            header = message.header
            read = await run_in_threadpool(self._read, message) if is_long else self._read(message)
            sent = [Submission(self.study, p.patient, p.results, None) for p in read]
            patient = sent[0].patient if len(sent) == 1 else None

            def job(connection: Connection) -> str:
                stored = [store(connection, each, self.graders) for each in sent]
                return _accepted(message.header, sent, stored)

            return await self.write(job, patient, number), False
        except Unavailable as error:
            return refused(header, RequestError(f"{error}; send it again")), True
        except RequestError as error:
            return refused(header, error), False

    def _read(self, message: Message) -> list[PatientResults]:
        """Return the results of a message by patient.

        Raises:
            RequestError: the message cannot be accepted, or has too many results.
        """
        if sum(segment.name == "OBX" for segment in message.segments) > self.max_results:
            raise RequestError(f"more than {self.max_results} results: send a batch")
        return read_oru(message, self.graders.for_rules(Rules()).names, self.site)


def _accepted(header: Segment, sent: Sequence[Submission], stored: Sequence[Stored]) -> str:
    grades = [grade for each in stored for grade in each.grades]
    undecided = sum(grade["grade"] is None for grade in grades)
    results = sum(len(each.results) for each in sent)
    text = f"{results} results stored, {len(grades)} gradings, {undecided} undecided"
    return acknowledge(header, "AA", text)
