"""The orders of an HL7 v2 message: which observations are theirs, and what these share."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self

from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.message import LONGEST, Message, Segment, one_line, read_issued
from toxgrade.server.records.identity import OWN_NUMBER

_TOLD = (2, 1, 5, 4)  # Text and code of a specimen, and those of the alternate.


@dataclass(frozen=True, slots=True)
class Sender:
    """What the header says of a message: its facility (MSH-4), and when it was made (MSH-7)."""

    facility: str
    made: datetime | None


@dataclass(frozen=True, slots=True)
class Specimen:
    """A specimen (SPM): its texts and codes (SPM-4), when it was taken, and if of the patient."""

    told: tuple[str, ...]
    taken: str
    is_patients: bool

    @classmethod
    def read(cls, spm: Segment) -> Self:
        told = tuple(_short(spm.component(4, n)) for n in _TOLD)
        role = spm.component(11).upper()
        return cls(told, _short(spm.component(17)), role in ("", "P"))


@dataclass
class Order:
    """The observations of one OBR, or of a patient before any OBR.

    ``specimen`` is the name of its specimens. What observations share is read once: each of
    thousands would otherwise read a segment that may be as long as the whole message. Of a text
    no more is kept than shows that it is too long.
    """

    sender: Sender
    pid: Segment | None
    obr: Segment | None
    specimens: list[Specimen] = field(default_factory=list)
    observations: list[Segment] = field(default_factory=list)
    orc: Segment | None = None
    shared_numbers: Collection[str] = ()
    specimen: str | None = None

    def source_id(self, obx: Segment) -> str | None:
        """Return the number of the order with the sub-id (OBX-4), or without one OBX-21."""
        number, sub_id = self._number[0], obx.component(4)
        return f"{number}/{sub_id}" if number and sub_id else number or self.own_number(obx) or None

    def source_scope(self, obx: Segment) -> str:
        """Return what the number is unique within: assigner, code as sent, OBX-4 and OBX-21."""
        assigner = self._number[1] or self.sender.facility
        own = self.own_number(obx)
        base = "|".join((assigner, obx.component(3), obx.component(4)))
        text = base[:LONGEST] + (OWN_NUMBER + own[:LONGEST] if own else "")
        return "".join(c if c.isprintable() else " " for c in text)

    @cached_property
    def _number(self) -> tuple[str, str]:
        """The number of the order (OBR-3, ORC-3, else OBR-2) and what assigned it."""
        for segment, place in ((self.obr, 3), (self.orc, 3), (self.obr, 2)):
            if segment and (number := segment.component(place)):
                assigner = segment.raw(place).partition(segment.marks.component)[2]
                return _short(number), _short(assigner)
        return "", ""

    def own_number(self, obx: Segment) -> str:
        """Return OBX-21; empty where it stands on several observations: it identifies none."""
        own = obx.component(21)
        return "" if own in self.shared_numbers else own

    def status(self, obx: Segment) -> str:
        """Return the status of an observation (OBX-11), or without one that of its report."""
        return obx.component(11).upper() or self._status

    @cached_property
    def _status(self) -> str:
        return _short(self.obr.component(25)).upper() if self.obr else ""

    def collected(self, obx: Segment) -> str:
        """Return when the specimen was taken, as sent: OBX-14, else OBR-7, else SPM-17.

        Empty where there is none, or where several specimens have different times.
        """
        return obx.component(14) or self._collected

    @cached_property
    def _collected(self) -> str:
        times = {specimen.taken for specimen in self.specimens}
        of_specimen = times.pop() if len(times) == 1 else ""
        return _short((self.obr.component(7) if self.obr else "") or of_specimen)

    @cached_property
    def issued(self) -> datetime | None:
        """When the results were released (OBR-22), else when the message was made (MSH-7)."""
        released = read_issued(self.obr.component(22)) if self.obr else None
        return released or self.sender.made

    def told(self) -> list[tuple[str, ...]]:
        """Return texts and codes of each specimen, with its alternates (SPM-4, else OBR-15)."""
        told = [specimen.told for specimen in self.specimens]
        if not any(map(any, told)) and self.obr:
            told = [tuple(_short(self.obr.component(15, 1, n)) for n in _TOLD)]
        return told

    @cached_property
    def is_control(self) -> bool:
        """Whether a specimen is not the patient's (SPM-11): a control or calibrator."""
        return not all(specimen.is_patients for specimen in self.specimens)


def _short(text: str) -> str:
    return text[: LONGEST + 1]


def read_orders(message: Message, names: Names) -> list[Order]:
    """Return the observations by order; those before a patient's first order form one, too.

    A specimen belongs to the order before it, but in OUL^R22 and R23 to all that follow.
    """
    header = message.header
    specimen_first = header.component(9) == "OUL" and header.component(9, 2) in ("R22", "R23")
    sender = Sender(_short(header.component(4)), read_issued(header.component(7)))
    orders = [Order(sender, None, None)]
    leading: list[Specimen] = []
    orc: Segment | None = None
    for segment in message.segments:
        order = orders[-1]
        if segment.name == "PID":
            leading = []
            orders.append(Order(sender, segment, None))
        elif segment.name == "OBR":
            orders.append(Order(sender, order.pid, segment, [*leading], orc=orc))
            orc = None
        elif segment.name == "ORC":
            orc = segment
        elif segment.name == "SPM" and specimen_first:
            leading = [Specimen.read(segment)]
            orders.append(Order(sender, order.pid, None, [*leading]))
        elif segment.name == "SPM":
            order.specimens.append(Specimen.read(segment))
        elif segment.name == "OBX":
            order.observations.append(segment)
    shared = _shared_numbers(orders)
    for order in orders:
        order.shared_numbers = shared
        order.specimen = one_line(names.one_specimen(order.told()))
    return orders


def _shared_numbers(orders: Iterable[Order]) -> set[str]:
    """Return each OBX-21 that stands on several tests or several patients."""
    found: dict[str, set[tuple[int, str]]] = {}
    for order in orders:
        for obx in order.observations:
            whose = (order.pid.sequence if order.pid else 0, obx.raw(3))
            found.setdefault(obx.component(21), set()).add(whose)
    return {number for number, stands_on in found.items() if len(stands_on) > 1}
