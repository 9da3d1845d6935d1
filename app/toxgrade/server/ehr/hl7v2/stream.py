r"""HL7 v2 messages in a stream of bytes: where each begins, its charset, its segments.

The parser is our own: python-hl7 and hl7lw accept only ``\r`` between segments, refuse a byte
order mark and merge the messages of one file; hl7apy builds whole schemas.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.ehr.hl7v2.acknowledge import (
    DATA_TYPE,
    NOT_IN_TABLE,
    SEGMENT_SEQUENCE,
    UNSUPPORTED_EVENT,
    UNSUPPORTED_PROCESSING,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Remark,
)
from toxgrade.server.ehr.hl7v2.envelopes import told_of_envelopes
from toxgrade.server.ehr.hl7v2.message import Delimiters, Message, Segment

SEGMENTS = {
    "ACC", "AL1", "ARV", "BLG", "CTD", "CTI", "DG1", "ERR", "FT1", "GT1", "IN1", "IN2", "IN3",
    "INV", "MRG", "MSA", "MSH", "NK1", "NTE", "OBR", "OBX", "ORC", "PD1", "PID", "PR1", "PRT",
    "PV1", "PV2", "ROL", "SAC", "SFT", "SID", "SPM", "TCD", "TQ1", "TQ2", "UAC",
}  # fmt: skip
"""The segments that reports have. Any other but a Z segment is passed over, and that is told."""

CHARSETS = {f"8859/{n}": f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)} | {
    "UNICODE UTF-8": "utf-8", "ASCII": "",
}  # fmt: skip
"""Codecs by their names in HL7 table 0211. ASCII says nothing of bytes that are not ASCII."""
_CODECS = {re.sub("[^0-9A-Z]", "", name): codec for name, codec in CHARSETS.items()} | {
    "USASCII": "", "ISOIR6": "", "UTF8": "utf-8", "UNICODE": "utf-8",
}  # fmt: skip

_EVENTS = {
    "ORU": ("R01", "R30", "R31", "R32", "R40", ""),
    "OUL": ("R22", "R23", "R24"),
}
_AROUND = "\x0b\x1c \t"  # MLLP's frame remains where a file was cut out of a stream.
_BYTE_ORDER_MARK = "\xef\xbb\xbf"
_HEADER = re.compile(r"MSH(?:[^\w\s]|\Z)")
_ENVELOPE = re.compile(r"(FHS|BHS|BTS|FTS)(?:[^\w\s]|\Z)")
_MAX_LINES, _MAX_PARTS = 200_000, 20_000
"""Splitting a text into more parts takes too long in one go, while no other thread runs."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Sent:
    """The lines of a message, one per segment, and what is told of the batch that it ends.

    The lines are bytes seen as Latin-1: in every charset that is taken, ASCII is the same.
    """

    lines: list[str]
    remarks: list[Remark] = field(default_factory=list)


def split(data: bytes) -> list[Sent]:
    r"""Return the messages of a stream, without the envelopes of files and batches; at least one.

    ``\r``, ``\n`` or ``\r\n`` ends a segment where another begins: a name and the field delimiter.
    Anywhere else it belongs to the text of the field that it stands in.

    Raises:
        RequestError: it is UTF-16, in which no header can be read.
    """
    if data.startswith(_UTF_16):
        raise _refusal(NOT_IN_TABLE, f"expected one of {', '.join(CHARSETS)}", 18)
    if data.count(b"\r") + data.count(b"\n") > _MAX_LINES:
        raise _refusal(SEGMENT_SEQUENCE, f"more than {_MAX_LINES} lines: send fewer messages")
    messages: list[list[list[str]]] = []  # These are pieces of lines of messages.
    parts: list[tuple[str, str]] = []
    mark = marks = "|"
    for end, piece in _lines(data):
        line = piece.lstrip(_AROUND).removeprefix(_BYTE_ORDER_MARK).strip(_AROUND)
        if not line:
            continue
        marks = line[3:8] if _HEADER.match(line) else marks
        if len(line) > _MAX_PARTS and any(line.count(each) > _MAX_PARTS for each in marks):
            raise _refusal(DATA_TYPE, f"a line has more than {_MAX_PARTS} fields or parts of them")
        if match := _ENVELOPE.match(line):
            parts.append((match[1], line[4:].split(line[3:4] or "|")[0].strip()))
        elif _HEADER.match(line):
            mark = line[3:4] or "|"
            messages.append([[line]])
            parts.append(("MSH", ""))
        elif not messages:
            messages.append([[line]])
        elif _begins_segment(line, mark):
            messages[-1].append([line])
        else:
            messages[-1][-1] += end, piece.rstrip(_AROUND)
    found = [Sent(["".join(line) for line in lines]) for lines in messages or [[[""]]]]
    found[-1].remarks += told_of_envelopes(parts)
    return found


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield each line, and before it the end of the one before it.

    A regular expression took 36 ms for a line of 8 MB, while no other thread ran.
    """
    end = ""
    for line in data.splitlines(keepends=True):
        text = line.decode("latin-1")
        piece = text.rstrip("\r\n")
        yield end, piece
        end = text[len(piece) :]


def _begins_segment(line: str, mark: str) -> bool:
    if len(line) == 3:
        return line in SEGMENTS
    return line[3:4] == mark and re.fullmatch("[A-Z][A-Z0-9]{2}", line[:3]) is not None


def read_header(sent: Sent) -> Segment | None:
    """Return the header, as far as ASCII goes; None where its fields cannot be told apart.

    Delimiters that cannot be used are replaced by the usual ones.
    """
    line = sent.lines[0]
    if not _HEADER.match(line) or not "!" <= line[3:4] <= "~":
        return None
    mark, fields = line[3], line.split(line[3])
    try:
        marks = _marks(line)
    except RequestError:
        fields[1] = r"^~\&".replace(mark, "")
        marks = Delimiters(mark, *fields[1])
    return Segment("MSH", 1, ("MSH", mark, *fields[1:]), marks)


def check_kind(msh: Segment) -> None:
    """Refuse a message that is of no kind that is taken.

    Raises:
        RequestError: its type, event, version or processing id is another.
    """
    kind, event = msh.component(9), msh.component(9, 2)
    expected = "expected ORU^R01, R30, R31, R32 or R40, or OUL^R22, R23 or R24"
    version = re.fullmatch(r"2\.[1-9](\.[0-9])?", msh.component(12))
    checks = (
        (kind in _EVENTS, 9, UNSUPPORTED_TYPE, expected),
        (event in _EVENTS.get(kind, ()), 9, UNSUPPORTED_EVENT, expected),
        (version is not None, 12, UNSUPPORTED_VERSION, "expected version 2.1 to 2.9"),
        (msh.component(11) == "P", 11, UNSUPPORTED_PROCESSING, "expected P, production"),
    )
    for holds, place, code, text in checks:
        if not holds:
            fault = FieldFault(("MSH", 1, place), code, text)
            raise RequestError("this kind of message is not taken", [fault])


def charset_of(header: Segment, *others: str | None) -> str:
    """Return the codec of MSH-18, else of the first of ``others`` that names one, else UTF-8.

    Raises:
        RequestError: one of them is not a charset that is taken.
    """
    for name in (re.split("[~^]", header.raw(18))[0], *others):
        plain = re.sub("[^0-9A-Z]", "", (name or "").upper())
        codec = _CODECS.get(re.sub("^ISO(?=8859)", "", plain)) if plain else ""
        if codec is None:
            text = f"expected one of {', '.join(CHARSETS)}, here or in the Content-Type"
            raise _refusal(NOT_IN_TABLE, text, 18)
        if codec:
            return codec
    return "utf-8"


def parse(sent: Sent, *charsets: str | None) -> Message:
    """Return the message that these lines make up; bytes that do not fit become surrogates.

    ``charsets`` are those that others than MSH-18 declare, the first that does goes first.

    Raises:
        RequestError: the lines do not begin with a header, a segment does not end, or MSH-18 is
            not a charset that is taken.
    """
    if not sent.lines[0].startswith("MSH"):
        raise _refusal(SEGMENT_SEQUENCE, "expected a message that begins with MSH")
    marks = _marks(sent.lines[0])
    swallowed = _swallowed(marks.field, sent.lines[0].split(marks.field)[1])
    segments = _segments(sent.lines, marks)
    text = "another segment stands in this one: expected CR at the end of each"
    faults = [
        FieldFault((segment.name, segment.sequence), SEGMENT_SEQUENCE, text)
        for segment, line in zip(segments, sent.lines, strict=True)
        if swallowed.search(line, 3)
    ]
    if faults:
        raise RequestError("the message cannot be read", faults)
    is_cut = any(re.search("[\r\n]", line) for line in sent.lines)
    if is_cut and not any(segment.name == "OBX" for segment in segments):
        raise _refusal(SEGMENT_SEQUENCE, "a line is not a segment: its name, then its fields")
    codec = charset_of(segments[0], *charsets)
    lines = [line.encode("latin-1").decode(codec, "surrogateescape") for line in sent.lines]
    return Message(tuple(_segments(lines, marks)), codec)


def _segments(lines: Sequence[str], marks: Delimiters) -> list[Segment]:
    counts: dict[str, int] = {}
    segments = []
    for line in lines:
        name, *fields = line.split(marks.field)
        counts[name] = counts.get(name, 0) + 1
        first = (marks.field,) if name == "MSH" else ()  # MSH-1 is the delimiter itself.
        segments.append(Segment(name, counts[name], (name, *first, *fields), marks))
    return segments


@lru_cache
def _swallowed(mark: str, encoding: str) -> re.Pattern[str]:
    """Return the pattern of a segment that begins within another, so that it would be lost.

    Its name stands in the midst of a line, or a line that goes on begins as a segment should not.
    """
    end = re.escape(mark)
    return re.compile(
        rf"OBX{end}(?:[0-9]+{end}[A-Z]{{0,3}}|{end}[A-Z]{{2,3}}){end}"
        rf"|(?:PID|OBR|SPM){end}[0-9]+{end}"
        rf"|MSH{end}{re.escape(encoding)}"
        r"|[\r\n][ \t]*(?i:MSH|PID|OBR|OBX|SPM)[|^&#$%!~@*]"
        rf"|[\r\n][^\r\n]{{0,12}}{end}(?:NM|SN|ST|TX|FT|CE|CWE|ED|RP){end}"
    )


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
