"""HL7 v2 messages split into segments, fields and components, without interpretation.

The parser is our own: python-hl7 0.4.5 (2022) and hl7lw accept only ``\\r`` between segments,
refuse a byte order mark and merge the messages of one file; hl7apy builds whole schemas. The part
that they could replace is below.
"""

import re
from dataclasses import dataclass

from toxgrade.errors import FieldFault, RequestError

UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_VERSION = "200", "201", "203"
SEGMENT_SEQUENCE, REQUIRED_MISSING, DATA_TYPE, NOT_IN_TABLE = "100", "101", "102", "103"
"""Error codes of HL7 table 0357."""

_CHARSETS = {
    "": "utf-8",
    "ASCII": "utf-8",  # ASCII is a subset of UTF-8.
    "UNICODE UTF-8": "utf-8",
    "8859/1": "latin-1",
    "8859/15": "iso8859-15",
}
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ENVELOPE = ("FHS", "BHS", "BTS", "FTS")
_FRAME = "\x0b\x1c"  # MLLP's frame remains where a file was cut out of a stream.


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
        return _decoded(self.raw(field), self.marks)

    def repetitions(self, field: int) -> list["Segment"]:
        """Return a copy of the segment for each repetition of a field, with that one alone."""
        mark, raw = self.marks.repetition, self.raw(field)
        parts = raw.split(mark) if mark and raw else [raw]
        before, after = self.fields[:field], self.fields[field + 1 :]
        return [Segment(self.name, self.sequence, (*before, p, *after), self.marks) for p in parts]

    def component(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return the text of one component, by default of its first subcomponent."""
        part = _nth(self.raw(field), self.marks.component, component)
        return _decoded(_nth(part, self.marks.subcomponent, subcomponent), self.marks).strip()


@dataclass(frozen=True, slots=True)
class Message:
    """A message, whose first segment is its header (MSH)."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        return self.segments[0]


def _nth(text: str, mark: str, number: int) -> str:
    parts = text.split(mark) if mark else [text]
    return parts[number - 1] if number <= len(parts) else ""


def _decoded(text: str, marks: Delimiters) -> str:
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


def decode(data: bytes) -> tuple[str, str]:
    """Return the text of one or several messages, and the codec that the first names in MSH-18.

    Raises:
        RequestError: the charset is not ASCII, UTF-8, 8859/1 or 8859/15, or the bytes do not fit.
    """
    head = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip("\r\n\t " + _FRAME)
    first = re.split("[\r\n]", head, maxsplit=1)[0]
    fields = first.split(first[3]) if first.startswith("MSH") and len(first) > 3 else []
    declared = re.split(r"[~^]", fields[17])[0].strip() if len(fields) > 17 else ""
    charset = _CHARSETS.get(declared)
    if charset is None:
        raise _refusal(NOT_IN_TABLE, f"expected one of {', '.join(filter(None, _CHARSETS))}", 18)
    try:
        text = data.decode("utf-8-sig" if charset == "utf-8" else charset)
    except UnicodeDecodeError:
        raise _refusal(DATA_TYPE, "not UTF-8: MSH-18 declares another charset", 18) from None
    return text, charset


def split(text: str) -> list[list[str]]:
    """Return the lines of each message, without the envelopes of files and batches.

    ``\\r`` ends a segment; in a text where no ``\\r`` stands alone, ``\\n`` and ``\\r\\n`` do.
    """
    bare = re.search("\r(?!\n)", text)
    lines = re.split("\r\n|\r" if bare else "\r\n|\n", text)
    messages: list[list[str]] = []
    for line in (line.strip("\n" + _FRAME) for line in lines):
        if not line or line.isspace() or line.startswith(_ENVELOPE):
            continue
        if line.startswith("MSH") or not messages:
            messages.append([])
        messages[-1].append(line)
    return messages


def parse(lines: list[str]) -> Message:
    """Return the message that these lines make up.

    Raises:
        RequestError: the lines do not begin with a header, or one of them is not a segment.
    """
    if not lines[0].startswith("MSH"):
        raise _refusal(SEGMENT_SEQUENCE, "expected a message that begins with MSH")
    marks = _marks(lines[0])
    counts: dict[str, int] = {}
    segments = []
    for number, line in enumerate(lines, 1):
        name, *fields = line.split(marks.field)
        if not _SEGMENT.fullmatch(name) or _CONTROL.search(line):
            text = f"line {number} is not a segment: its name, then fields of printable text"
            raise _refusal(SEGMENT_SEQUENCE, text)
        counts[name] = counts.get(name, 0) + 1
        first = (marks.field,) if name == "MSH" else ()  # MSH-1 is the delimiter itself.
        segments.append(Segment(name, counts[name], (name, *first, *fields), marks))
    return Message(tuple(segments))


def _marks(header: str) -> Delimiters:
    field = header[3:4]
    encoding = header[4:].split(field)[0] if field else ""
    characters = field + encoding
    unusable = any(c.isalnum() or c.isspace() or not c.isprintable() for c in characters)
    if not 3 <= len(characters) <= 6 or len(set(characters)) < len(characters) or unusable:
        raise _refusal(DATA_TYPE, r"expected delimiters such as |^~\& in MSH-1 and MSH-2", 2)
    return Delimiters(*characters[:5])


def _refusal(code: str, text: str, field: int | None = None) -> RequestError:
    place = ("MSH", 1, field) if field else ()
    return RequestError("the message cannot be read", [FieldFault(place, code, text)])
