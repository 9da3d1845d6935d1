"""The results of an ORU^R01 message of HL7 v2.3 to 2.8, one patient after the other."""

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


@dataclass(frozen=True, slots=True)
class PatientResults:
    """The results of one patient in a message, each with its place in the message."""

    patient: str
    results: tuple[tuple[Loc, LabResult], ...]


def read_oru(message: Message, names: Names, site: Site) -> list[PatientResults]:
    """Read every observation; a repeated one counts as it was sent last. Notes are passed over.

    Raises:
        RequestError: another kind of message, or fields that cannot be accepted; nothing of it is
            to be stored then.
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
        mine = found.setdefault(patients[person], {})
        for obx in order.observations:
            result = read_observation(obx, order, names, site, faults)
            mine[_same(result, order, obx, names)] = (("OBX", obx.sequence), result)
    if faults:
        raise RequestError("the message has fields that cannot be accepted", faults)
    return [PatientResults(name, tuple(kept.values())) for name, kept in sorted(found.items())]


def _same(result: LabResult, order: Order, obx: Segment, names: Names) -> tuple[object, ...]:
    """What makes an observation one that was there before in the message."""
    analyte = names.analyte(result.analyte)
    name = analyte.name if analyte else result.analyte.casefold()
    return name, result.source_id or (order.number, obx.component(4)), result.collected


def _check_header(msh: Segment) -> None:
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
    """The observations by order; those before any order by patient."""
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
    """The pseudonym: the first identifier of PID-3, or the one of the agreed authority."""

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
        return read_oru(message, self.graders.for_rules(Rules()).names, self.site)


def _accepted(header: Segment, sent: Sequence[Submission], stored: Sequence[Stored]) -> str:
    grades = [grade for each in stored for grade in each.grades]
    undecided = sum(grade["grade"] is None for grade in grades)
    results = sum(len(each.results) for each in sent)
    text = f"{results} results stored, {len(grades)} gradings, {undecided} undecided"
    return acknowledge(header, "AA", text)
