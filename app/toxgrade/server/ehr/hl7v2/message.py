"""The parts of an HL7 v2 message: segments, fields and components, and the orders they form."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from toxgrade.errors import ParseError
from toxgrade.grading.parse import read_collected
from toxgrade.grading.result import Collected
from toxgrade.grading.specimens import specimen_kind

ACCEPTED_TIME = (
    "a time YYYYMMDDHHMM, a date YYYYMMDD or a part of one, in the years 1900 to 2199, optionally"
    " with its offset such as +0200"
)
_TIME = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})"
    r"(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?([+-][0-9]{4})?"
)

_MAX_SCOPE = 200  # characters
SURROGATE = re.compile("[\ud800-\udfff]")
"""A byte of a message that does not fit its charset."""

_CONCEPT = (1, 2, 4, 5)  # These are code and text of a coded field, and those of its alternate.


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The delimiters of a message; all but the first two may be absent (empty)."""

    field: str
    component: str
    repetition: str = ""
    escape: str = ""
    subcomponent: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; ``sequence`` is its number among those of its name in the message, from 1.

    Fields and components are numbered from 1, as in HL7. A part that is not there is empty, and so
    is the text of HL7's explicit null (``""``).
    """

    name: str
    sequence: int
    fields: tuple[str, ...]
    marks: Delimiters

    def raw(self, field: int) -> str:
        """Return a field as it was sent."""
        return self.fields[field] if field < len(self.fields) else ""

    def text(self, field: int) -> str:
        """Return a whole field as text, without its escape sequences."""
        return _unescaped(self.raw(field), self.marks)

    def repetitions(self, field: int) -> list["Segment"]:
        """Return a copy of the segment for each repetition of a field, with that one alone."""
        mark, raw = self.marks.repetition, self.raw(field)
        parts = raw.split(mark) if mark and raw else [raw]
        before, after = self.fields[:field], self.fields[field + 1 :]
        return [Segment(self.name, self.sequence, (*before, p, *after), self.marks) for p in parts]

    def component(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return the text of one component, by default of its first subcomponent."""
        part = _nth(self.raw(field), self.marks.component, component)
        return _unescaped(_nth(part, self.marks.subcomponent, subcomponent), self.marks).strip()


@dataclass(frozen=True, slots=True)
class Message:
    """A message, whose first segment is its header (MSH); ``codec`` is that of its charset."""

    segments: tuple[Segment, ...]
    codec: str = "utf-8"

    @property
    def header(self) -> Segment:
        return self.segments[0]


def _nth(text: str, mark: str, number: int) -> str:
    parts = text.split(mark) if mark else [text]
    return parts[number - 1] if number <= len(parts) else ""


def _unescaped(text: str, marks: Delimiters) -> str:
    """Return text without escape sequences; formatting commands become spaces or nothing."""
    if text == '""':
        return ""
    if not marks.escape or marks.escape not in text:
        return text
    escape = re.escape(marks.escape)
    named = {
        "F": marks.field, "S": marks.component, "R": marks.repetition, "E": marks.escape,
        "T": marks.subcomponent, "H": "", "N": "", ".br": " ", ".sp": " ",
    }  # fmt: skip

    def replacement(match: re.Match[str]) -> str:
        code: str = match[1]
        if re.fullmatch("X(?:[2-7][0-9A-F])+", code):  # Only printable ASCII is decoded.
            return bytes.fromhex(code[1:]).decode("ascii")
        return named.get(code, match[0])

    return re.sub(f"{escape}([^{escape}]*){escape}", replacement, text)


def read_time(text: str) -> Collected:
    """Parse a time stamp (TS, DTM) of any precision, as written.

    Raises:
        ParseError: ``unreadable-date``; the message says what is accepted.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ParseError("unreadable-date", f"expected {ACCEPTED_TIME}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    written = "-".join(filter(None, (year, month, day)))
    if hour:
        written += "T" + ":".join(filter(None, (hour, minute, second)))
        written += (f".{fraction}" if fraction else "") + (offset or "")
    try:
        return read_collected(written)
    except ParseError:
        raise ParseError("unreadable-date", f"expected {ACCEPTED_TIME}") from None


def read_issued(text: str) -> datetime | None:
    """Parse when a version was released; None if it is unreadable or has no offset (no order)."""
    try:
        issued = datetime.fromisoformat(read_time(text).text)
    except (ParseError, ValueError):
        return None
    return issued if issued.tzinfo else None


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
        """Return the number of the order (OBR-3, ORC-3, else OBR-2) with the sub-id (OBX-4)."""
        places = ((self.obr, 3), (self.orc, 3), (self.obr, 2))
        numbers = [segment.component(field) for segment, field in places if segment]
        number, sub_id = next(filter(None, numbers), ""), obx.component(4)
        return f"{number}/{sub_id}" if number and sub_id else number or obx.component(21) or None

    def source_scope(self, obx: Segment) -> str:
        """Return what the number is unique within: assigner, code as sent, OBX-4 and OBX-21.

        An OBX-21 that stands on several observations identifies none of them.
        """
        assigner = self.obr.raw(3).partition(self.obr.marks.component)[2] if self.obr else ""
        own = obx.component(21)
        own = "" if own in self.shared_numbers else own
        shared = assigner or self.msh.component(4), obx.component(3), obx.component(4)
        text = "|".join((*shared, own))
        return "".join(c if c.isprintable() else " " for c in text)[:_MAX_SCOPE]

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
    def other_specimen(self) -> str:
        """The first specimen (SPM-4, else OBR-15) that is not blood; empty where there is none."""
        codes = [tuple(spm.component(4, n) for n in _CONCEPT) for spm in self.specimens]
        if not any(map(any, codes)) and self.obr:
            codes = [tuple(self.obr.component(15, 1, n) for n in _CONCEPT)]
        others = [code for code in codes if any(code) and not _is_blood(*code)]
        return next(filter(None, others[0])) if others else ""

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


def _is_blood(code: str, text: str, other: str, other_text: str) -> bool:
    """Return whether each text, or where a code has none, the code, names blood."""
    names = (text or code, other_text or other)
    return all(specimen_kind(name) != "other" for name in names)
