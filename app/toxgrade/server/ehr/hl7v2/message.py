"""The parts of an HL7 v2 message: segments, fields and components, and its times."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from toxgrade.errors import ParseError
from toxgrade.grading.parse import YEARS, read_collected
from toxgrade.grading.result import Collected

ACCEPTED_TIME = (
    f"a time YYYYMMDDHHMM, a date YYYYMMDD or a part of one, in the {YEARS}, optionally"
    " with its offset such as +0200"
)
_TIME = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})"
    r"(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?([+-][0-9]{4})?"
)

SURROGATE = re.compile("[\ud800-\udfff]")
"""A byte of a message that does not fit its charset."""

LONGEST = 200
"""The most characters of a text of a result."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The delimiters of a message; all but the first two may be absent (empty)."""

    field: str
    component: str
    repetition: str = ""
    escape: str = ""
    subcomponent: str = ""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field, as it was sent; its components are numbered from 1."""

    raw: str
    marks: Delimiters

    def component(self, component: int = 1, subcomponent: int = 1) -> str:
        """Return the text of one component, by default of its first subcomponent."""
        part = _nth(self.raw, self.marks.component, component)
        return _unescaped(_nth(part, self.marks.subcomponent, subcomponent), self.marks).strip()


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

    def repetitions(self, field: int) -> Iterator["Repetition"]:
        """Yield each repetition of a field; one, empty, of a field that is not there."""
        mark, raw = self.marks.repetition, self.raw(field)
        parts = raw.split(mark) if mark and raw else [raw]
        return (Repetition(part, self.marks) for part in parts)

    def component(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return the text of one component, by default of its first subcomponent."""
        return Repetition(self.raw(field), self.marks).component(component, subcomponent)


@dataclass(frozen=True, slots=True)
class Message:
    """A message, whose first segment is its header (MSH); ``codec`` is that of its charset."""

    segments: tuple[Segment, ...]
    codec: str = "utf-8"

    @property
    def header(self) -> Segment:
        return self.segments[0]


def _nth(text: str, mark: str, number: int) -> str:
    parts = text.split(mark, number) if mark else [text]
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


def one_line(text: str | None) -> str | None:
    """Return a text as one that can be stored: at most 200 characters, ``?`` for unreadable ones.

    No result is refused for the sake of these: an unknown word is another specimen, or no flag.
    """
    short = (text or "").strip()[:LONGEST]
    return "".join(c if c.isprintable() else "?" for c in SURROGATE.sub("?", short)) or None


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
