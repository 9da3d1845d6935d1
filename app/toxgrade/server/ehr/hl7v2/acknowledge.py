"""Acknowledgements (ACK) of HL7 v2 messages: what became of each, and which fields to mend."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from toxgrade.errors import FieldFault, NotFound, RequestError
from toxgrade.server.ehr.hl7v2.message import (
    UNSUPPORTED_EVENT,
    UNSUPPORTED_TYPE,
    UNSUPPORTED_VERSION,
    Marks,
    Segment,
)

Code = Literal["AA", "AE", "AR"]
"""Accepted; an error in it, nothing stored; rejected: nothing like it will ever be taken."""

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
_MOST_FAULTS = 50
_USUAL = Marks("|", "^", "~", "\\", "&")


def refused(header: Segment | None, error: RequestError) -> str:
    """The acknowledgement of a message of which nothing was stored; without a header AR."""
    rejected = header is None or any(fault.code in _REJECTED for fault in error.faults)
    code = "204" if isinstance(error, NotFound) else "207"
    faults = error.faults or [FieldFault((), code, error.detail)]
    first = _place(faults[0])
    where = f" ({first[0]}-{first[2]})" if len(first) == 3 else ""
    text = f"{error.detail}{where}: {faults[0].message}"
    return acknowledge(header, "AR" if rejected else "AE", text, faults)


def acknowledge(
    header: Segment | None, code: Code, text: str, faults: Sequence[FieldFault] = ()
) -> str:
    """An ACK in the message's own delimiters and version; without a header in the usual ones."""
    marks = header.marks if header else _USUAL

    def of(field: int) -> str:
        return header.raw(field) if header else ""

    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")
    kind = marks.component.join(("ACK", "R01", "ACK"))
    delimiters = of(2) or r"^~\&"
    msh = _segment(
        marks, "MSH", delimiters, of(5) or "TOXGRADE", of(6), of(3), of(4), now, "", kind,
        uuid.uuid4().hex[:20], of(11) or "P", of(12) or "2.5.1", "", "", "", "", "", of(18),
    )  # fmt: skip
    msa = _segment(marks, "MSA", code, of(10), _escaped(text, marks))
    is_old = of(12)[:3] in ("2.3", "2.4")
    return msh + msa + "".join(_error(f, marks, is_old=is_old) for f in faults[:_MOST_FAULTS])


def _segment(marks: Marks, *fields: str) -> str:
    return marks.field.join(fields).rstrip(marks.field) + "\r"


def _error(fault: FieldFault, marks: Marks, *, is_old: bool) -> str:
    """An ERR segment; before version 2.5 place and code are one field and there is no text."""
    code = fault.code if fault.code in _MEANINGS else "207"
    own = "" if fault.code in _MEANINGS else fault.code
    place = marks.component.join(map(str, _place(fault)))
    coded = (code, _MEANINGS[code], "HL70357")
    if is_old:
        inner = (marks.subcomponent or " ").join(coded)
        return _segment(marks, "ERR", marks.component.join((place, inner)))
    told = _escaped(fault.message, marks)
    return _segment(marks, "ERR", "", place, marks.component.join(coded), "E", own, "", "", told)


def _place(fault: FieldFault) -> tuple[str | int, ...]:
    """Segment, its number in the message, and the field, as far as they are known."""
    match fault.loc:
        case ("patient", *_):
            return "PID", 1, 3
        case (str() as segment, int() as sequence, int() as field):
            return segment, sequence, field
        case (str() as segment, int() as sequence, *_):
            return segment, sequence
        case _:
            return ()


def _escaped(text: str, marks: Marks) -> str:
    """Text in which the message's delimiters stand for themselves; spaces without an escape."""
    escape = marks.escape
    codes = {
        escape: "E", marks.field: "F", marks.component: "S", marks.repetition: "R",
        marks.subcomponent: "T",
    }  # fmt: skip
    return text.translate(
        {ord(m): f"{escape}{c}{escape}" if escape else " " for m, c in codes.items() if m}
    )
