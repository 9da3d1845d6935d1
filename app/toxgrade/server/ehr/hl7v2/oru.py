"""The results of an ORU^R01 message of HL7 v2.3 to 2.8, one patient after the other."""

from dataclasses import dataclass

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.message import (
    DATA_TYPE,
    REQUIRED_MISSING,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Message,
    Segment,
)
from toxgrade.server.ehr.hl7v2.observation import Order, Site, read_observation
from toxgrade.server.records.identity import Loc
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
