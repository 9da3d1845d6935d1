"""Acknowledgements (ACK) of HL7 v2 messages: what became of each, and which fields are wrong."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from toxgrade.errors import FieldFault, NotFound, RequestError
from toxgrade.server.ehr.hl7v2.message import (
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Delimiters,
    Segment,
)

Code = Literal["AA", "AE", "AR"]
"""AA: accepted. AE: an error, so nothing is stored. AR: rejected, as any such message would be."""

_MEANINGS = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    UNSUPPORTED_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_VERSION: "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}
_REJECTED = (UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_VERSION)
_MAX_FAULTS = 50
_DEFAULT_DELIMITERS = Delimiters("|", "^", "~", "\\", "&")


def refused(header: Segment | None, error: RequestError) -> str:
    """Return the acknowledgement of a message of which nothing was stored; AR without a header."""
    rejected = header is None or any(fault.code in _REJECTED for fault in error.faults)
    code = "204" if isinstance(error, NotFound) else "207"
    faults = error.faults or [FieldFault((), code, error.detail)]
    place = _place(faults[0])
    where = f" ({place[0]}-{place[2]})" if len(place) == 3 else ""
    text = f"{error.detail}{where}: {faults[0].message}"
    return acknowledge(header, "AR" if rejected else "AE", text, faults)


def acknowledge(
    header: Segment | None, code: Code, text: str, faults: Sequence[FieldFault] = ()
) -> str:
    """Return an ACK in the message's delimiters and version, or without a header in the usual."""
    marks = header.marks if header else _DEFAULT_DELIMITERS

    def sent(field: int) -> str:
        return header.raw(field) if header else ""

    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    kind = marks.component.join(("ACK", "R01", "ACK"))
    delimiters = sent(2) or r"^~\&"
    msh = _segment(
        marks, "MSH", delimiters, sent(5) or "TOXGRADE", sent(6), sent(3), sent(4), now, "", kind,
        uuid.uuid4().hex[:20], sent(11) or "P", sent(12) or "2.5.1", "", "", "", "", "", sent(18),
    )  # fmt: skip
    msa = _segment(marks, "MSA", code, sent(10), _escaped(text, marks))
    is_old = sent(12)[:3] in ("2.3", "2.4")
    return msh + msa + "".join(_error(f, marks, is_old=is_old) for f in faults[:_MAX_FAULTS])


def _segment(marks: Delimiters, *fields: str) -> str:
    return marks.field.join(fields).rstrip(marks.field) + "\r"


def _error(fault: FieldFault, marks: Delimiters, *, is_old: bool) -> str:
    """Return an ERR segment; before HL7 2.5, place and code share a field and there is no text."""
    code = fault.code if fault.code in _MEANINGS else "207"
    own = "" if fault.code in _MEANINGS else fault.code
    place = marks.component.join(map(str, _place(fault)))
    coded = (code, _MEANINGS[code], "HL70357")
    if is_old:
        inner = (marks.subcomponent or " ").join(coded)
        return _segment(marks, "ERR", marks.component.join((place, inner)))
    text = _escaped(fault.message, marks)
    return _segment(marks, "ERR", "", place, marks.component.join(coded), "E", own, "", "", text)


def _place(fault: FieldFault) -> tuple[str | int, ...]:
    """Return the segment, its number in the message and the field, as far as they are known."""
    match fault.loc:
        case ("patient", *_):
            return "PID", 1, 3
        case (str() as segment, int() as sequence, int() as field):
            return segment, sequence, field
        case (str() as segment, int() as sequence, *_):
            return segment, sequence
        case _:
            return ()


def _escaped(text: str, marks: Delimiters) -> str:
    """Return text with its delimiters escaped, or replaced by spaces if there is no escape."""
    escape = marks.escape
    codes = {
        escape: "E", marks.field: "F", marks.component: "S", marks.repetition: "R",
        marks.subcomponent: "T",
    }  # fmt: skip
    return text.translate(
        {ord(m): f"{escape}{c}{escape}" if escape else " " for m, c in codes.items() if m}
    )
