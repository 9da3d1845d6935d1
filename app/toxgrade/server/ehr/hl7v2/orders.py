"""The orders of an HL7 v2 message: which observations are theirs, and what these share."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from toxgrade.server.ehr.hl7v2.message import Message, Segment
from toxgrade.server.records.identity import OWN_NUMBER

_MAX_SCOPE = 200  # characters


@dataclass(slots=True)
class Order:
    """The observations of one OBR, or of a patient before any OBR; ``number`` tells them apart.

    ``specimens`` are the SPM segments of its specimens.
    """

    msh: Segment
    pid: Segment | None
    obr: Segment | None
    number: int = 0
    specimens: list[Segment] = field(default_factory=list)
    observations: list[Segment] = field(default_factory=list)
    orc: Segment | None = None
    shared_numbers: Collection[str] = ()

    def source_id(self, obx: Segment) -> str | None:
        """Return the number of the order with the sub-id (OBX-4), or without one OBX-21."""
        number, sub_id = self._number()[0], obx.component(4)
        return f"{number}/{sub_id}" if number and sub_id else number or self.own_number(obx) or None

    def source_scope(self, obx: Segment) -> str:
        """Return what the number is unique within: assigner, code as sent, OBX-4 and OBX-21."""
        assigner = self._number()[1] or self.msh.component(4)
        own = self.own_number(obx)
        base = "|".join((assigner, obx.component(3), obx.component(4)))
        text = base[:_MAX_SCOPE] + (OWN_NUMBER + own[:_MAX_SCOPE] if own else "")
        return "".join(c if c.isprintable() else " " for c in text)

    def _number(self) -> tuple[str, str]:
        """Return the number of the order (OBR-3, ORC-3, else OBR-2) and what assigned it."""
        for segment, place in ((self.obr, 3), (self.orc, 3), (self.obr, 2)):
            if segment and (number := segment.component(place)):
                return number, segment.raw(place).partition(segment.marks.component)[2]
        return "", ""

    def own_number(self, obx: Segment) -> str:
        """Return OBX-21; empty where it stands on several observations: it identifies none."""
        own = obx.component(21)
        return "" if own in self.shared_numbers else own

    def status(self, obx: Segment) -> str:
        """Return the status of an observation (OBX-11), or without one that of its report."""
        return (obx.component(11) or (self.obr.component(25) if self.obr else "")).upper()

    def collected(self, obx: Segment) -> str:
        """Return when the specimen was taken, as sent: OBX-14, else OBR-7, else SPM-17.

        Empty where there is none, or where several specimens have different times.
        """
        times = {spm.component(17) for spm in self.specimens}
        of_specimen = times.pop() if len(times) == 1 else ""
        return obx.component(14) or (self.obr.component(7) if self.obr else "") or of_specimen

    @property
    def specimen(self) -> list[tuple[str, ...]]:
        """Texts and codes of each specimen, with its alternates (SPM-4, else OBR-15), as sent."""
        places = (2, 1, 5, 4)  # text and code, and those of the alternate
        told = [tuple(spm.component(4, n) for n in places) for spm in self.specimens]
        if not any(map(any, told)) and self.obr:
            told = [tuple(self.obr.component(15, 1, n) for n in places)]
        return told

    @property
    def is_control(self) -> bool:
        """Whether a specimen is not the patient's (SPM-11): a control or calibrator."""
        return any(spm.component(11).upper() not in ("", "P") for spm in self.specimens)


def read_orders(message: Message) -> list[Order]:
    """Return the observations by order; those before a patient's first order form one, too.

    A specimen belongs to the order before it, but in OUL^R22 and R23 to all that follow.
    """
    header = message.header
    specimen_first = header.component(9) == "OUL" and header.component(9, 2) in ("R22", "R23")
    orders = [Order(header, None, None)]
    leading: list[Segment] = []
    orc: Segment | None = None
    for segment in message.segments:
        order = orders[-1]
        if segment.name == "PID":
            leading = []
            orders.append(Order(header, segment, None, len(orders)))
        elif segment.name == "OBR":
            orders.append(Order(header, order.pid, segment, len(orders), [*leading], orc=orc))
            orc = None
        elif segment.name == "ORC":
            orc = segment
        elif segment.name == "SPM" and specimen_first:
            leading = [segment]
            orders.append(Order(header, order.pid, None, len(orders), [segment]))
        elif segment.name == "SPM":
            order.specimens.append(segment)
        elif segment.name == "OBX":
            order.observations.append(segment)
    shared = _shared_numbers(orders)
    for order in orders:
        order.shared_numbers = shared
    return orders


def _shared_numbers(orders: Iterable[Order]) -> set[str]:
    """Return each OBX-21 that stands on several tests or several patients."""
    found: dict[str, set[tuple[int, str]]] = {}
    for order in orders:
        for obx in order.observations:
            whose = (order.pid.sequence if order.pid else 0, obx.raw(3))
            found.setdefault(obx.component(21), set()).add(whose)
    return {number for number, stands_on in found.items() if len(stands_on) > 1}
