"""Reading a report of results: its observations by patient, by what a site has agreed on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.acknowledge import DATA_TYPE, REQUIRED_MISSING, Remark
from toxgrade.server.ehr.hl7v2.message import SURROGATE, Message, Segment
from toxgrade.server.ehr.hl7v2.observation import read_observation
from toxgrade.server.ehr.hl7v2.orders import read_orders
from toxgrade.server.ehr.hl7v2.stream import SEGMENTS, check_kind
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.studies import PATIENT_NAME


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
    orders = read_orders(message, names)
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
    identifiers = pid.repetitions(3) if pid else iter(())
    for identifier in islice(identifiers, None if wanted else 1):
        name = identifier.component()
        authorities = [identifier.component(4, n) for n in (1, 2)]
        if name and (wanted is None or wanted in authorities):
            if not PATIENT_NAME.fullmatch(name):
                refuse(DATA_TYPE, f"expected the study's pseudonym, {PATIENT_NAME.pattern}")
            return name
    refuse(REQUIRED_MISSING, f"required: the identifier of {wanted}" if wanted else "required")
    return ""
