"""Acknowledgements (ACK) of HL7 v2 messages: what became of each, and which fields are wrong."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from toxgrade.errors import FieldFault, NotFound, RequestError
from toxgrade.server.ehr.hl7v2.message import SURROGATE, Delimiters, Segment
from toxgrade.server.runtime import Runtime

UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_PROCESSING, UNSUPPORTED_VERSION = (
    "200", "201", "202", "203",
)  # fmt: skip
SEGMENT_SEQUENCE, REQUIRED_MISSING, DATA_TYPE, NOT_IN_TABLE = "100", "101", "102", "103"
"""Error codes of HL7 table 0357."""

Outcome = Literal["A", "E", "R"]
"""Accepted; an error, so nothing is stored; rejected, as any such message would be. The code is
``AA``, ``AE`` or ``AR``, in an accept acknowledgement ``CA``, ``CE`` or ``CR``."""

_MEANINGS = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    UNSUPPORTED_TYPE: "Unsupported message type",
    UNSUPPORTED_EVENT: "Unsupported event code",
    UNSUPPORTED_PROCESSING: "Unsupported processing id",
    UNSUPPORTED_VERSION: "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}
_REJECTED = (UNSUPPORTED_TYPE, UNSUPPORTED_EVENT, UNSUPPORTED_PROCESSING, UNSUPPORTED_VERSION)
_ANSWERS = {"R30": ((2, 5), "R33", (2, 7)), "R40": ((2, 8), "R41", (2, 8))}
"""By event: since when its application acknowledgement has another event, and since when it is an
ORA. R30 places an order, R40 reports an alert."""

_MAX_ERRORS = 50
_MAX_NAMED = 5  # These are named in MSA-3, where there are no other places for remarks.
_DEFAULT_DELIMITERS = Delimiters("|", "^", "~", "\\", "&")
_MODES = ("AL", "NE", "ER", "SU")
_NO_TEXT = {ord(c): " " for c in map(chr, (*range(32), 127, 0x85, 0x2028, 0x2029))}


@dataclass(frozen=True, slots=True)
class Remark:
    """What a sender is told beside errors; ``severity``: a warning or information (table 0516)."""

    loc: tuple[str | int, ...]
    code: str
    text: str
    severity: Literal["W", "I"] = "W"


def refused(
    runtime: Runtime, header: Segment | None, error: RequestError, remarks: Sequence[Remark] = ()
) -> str:
    """Return the answer to a message of which nothing was stored: AE; AR without a header."""
    rejected = header is None or any(fault.code in _REJECTED for fault in error.faults)
    code = "204" if isinstance(error, NotFound) else "207"
    faults = error.faults or [FieldFault((), code, error.detail)]
    place = _place(faults[0].loc)
    where = f" ({place[0]}-{place[2]})" if len(place) == 3 else ""
    text = f"{error.detail}{where}: {faults[0].message}" if error.faults else error.detail
    return _answer(runtime, header, "R" if rejected else "E", text, faults, remarks)


def accepted(runtime: Runtime, header: Segment, text: str, remarks: Sequence[Remark]) -> str:
    """Return the answer to a message that is stored: AA, with what its sender should know."""
    return _answer(runtime, header, "A", text, (), remarks)


def _answer(
    runtime: Runtime, header: Segment | None, outcome: Outcome, text: str,
    faults: Sequence[FieldFault], remarks: Sequence[Remark],
) -> str:  # fmt: skip
    """Return the acknowledgements that the message asks for, one after the other.

    That is one in the original mode. In the enhanced mode, which MSH-15 or MSH-16 declares, the
    accept acknowledgement comes first, and there is no other where it is an error.
    """
    modes = [header.component(n).upper() for n in (15, 16)] if header else ["", ""]
    if header is None or not any(mode in _MODES for mode in modes):
        return _acknowledgement(runtime, header, f"A{outcome}", text, faults, remarks)
    asks_accept, asks_application = (_asks(mode, outcome) for mode in modes)
    if asks_accept and (outcome != "A" or not asks_application):
        return _acknowledgement(runtime, header, f"C{outcome}", text, faults, remarks)
    commit = _acknowledgement(runtime, header, "CA", "", (), ()) if asks_accept else ""
    if not asks_application:
        return commit
    return commit + _acknowledgement(runtime, header, f"A{outcome}", text, faults, remarks)


def _asks(mode: str, outcome: Outcome) -> bool:
    """Return whether an acknowledgement is asked for (table 0155), as one is by an unknown mode."""
    wanted = ("AL", "SU") if outcome == "A" else ("AL", "ER")
    return mode in wanted or (mode != "" and mode not in _MODES)


def _acknowledgement(
    runtime: Runtime, header: Segment | None, code: str, text: str,
    faults: Sequence[FieldFault], remarks: Sequence[Remark],
) -> str:  # fmt: skip
    """Return an ACK in the message's delimiters and version, or without a header in the usual."""
    marks = header.marks if header else _DEFAULT_DELIMITERS
    version = _version(header)

    def sent(field: int) -> str:
        raw = header.raw(field).translate(_NO_TEXT) if header else ""
        return SURROGATE.sub("?", raw)

    kind = _kind(header.component(9, 2) if header else "", version, code)
    now = runtime.now().strftime("%Y%m%d%H%M%S+0000")
    msh = _segment(
        marks, "MSH", sent(2) or r"^~\&", sent(5) or "TOXGRADE", sent(6), sent(3), sent(4), now, "",
        marks.component.join(kind), runtime.uuid().hex[:20], sent(11) or "P", sent(12) or "2.5.1",
        "", "", "", "", "", sent(18),
    )  # fmt: skip
    if version < (2, 5):
        msa = _segment(marks, "MSA", code, sent(10), _escaped(text + _named(remarks), marks))
        return msh + msa + _old_errors(faults, marks, version)
    is_silent = version >= (2, 7)  # MSA-3 was withdrawn then.
    summary = [Remark((), "summary", text, "I")] if is_silent and text and not faults else []
    msa = _segment(marks, "MSA", code, sent(10), "" if is_silent else _escaped(text, marks))
    return msh + msa + "".join(_errors(faults, [*summary, *remarks], marks))


def _kind(event: str, version: tuple[int, ...], code: str) -> list[str]:
    """Return MSH-9 of an acknowledgement: ACK, with a structure (table 0354) from 2.3.1 on.

    To R30 and R40 an application answers with an event of its own, later with another structure.
    """
    kind, event = "ACK", event if re.fullmatch("[A-Z][0-9]{2}", event) else "R01"
    since, answer, structured = _ANSWERS.get(event, ((9,), "", (9,)))
    if code.startswith("A") and version >= since:
        kind, event = "ORA" if version >= structured else kind, answer
    structure = f"ORA_{event}" if kind == "ORA" else "ACK"
    return [kind, event, structure] if version >= (2, 3, 1) else [kind, event]


def _version(header: Segment | None) -> tuple[int, ...]:
    text = header.component(12) if header else ""
    return (
        tuple(map(int, text.split("."))) if re.fullmatch(r"[0-9](\.[0-9]){1,2}", text) else (2, 5)
    )


def _segment(marks: Delimiters, *fields: str) -> str:
    return marks.field.join(fields).rstrip(marks.field) + "\r"


def _named(remarks: Sequence[Remark]) -> str:
    """Return the first remarks in short, for a text."""
    named = [" ".join(map(str, (*each.loc[:2], each.code))) for each in remarks[:_MAX_NAMED]]
    named += ["and more"] if len(remarks) > _MAX_NAMED else []
    return f": {'; '.join(named)}" if named else ""


def _old_errors(faults: Sequence[FieldFault], marks: Delimiters, version: tuple[int, ...]) -> str:
    """Return the one ERR segment that there was before HL7 2.5, which has no text and no severity.

    So remarks have no place in it: a receiver would take them for errors. Before 2.3 a code stands
    without its meaning, and in 2.1, where it is an ID, also without its place.
    """
    if not faults:
        return ""
    told = []
    for fault in faults[:_MAX_ERRORS]:
        code = fault.code if fault.code in _MEANINGS else "207"
        parts = (code, _MEANINGS[code], "HL70357") if version >= (2, 3) else (code,)
        coded = (marks.subcomponent or " ").join(parts)
        place = [*_place(fault.loc), "", "", ""][:3]
        told.append(marks.component.join((*map(str, place), coded)) if version > (2, 1) else code)
    return _segment(marks, "ERR", marks.repetition.join(told if marks.repetition else told[:1]))


def _errors(
    faults: Sequence[FieldFault], remarks: Sequence[Remark], marks: Delimiters
) -> Iterator[str]:
    """Yield an ERR segment for each fault, then for each remark, up to a number of them."""
    said = [(f.loc, f.code, f.message, "E") for f in faults]
    said += [(r.loc, r.code, r.text, r.severity) for r in remarks]
    if len(said) > _MAX_ERRORS:
        text = f"{len(said) - _MAX_ERRORS + 1} more are not named"
        said[_MAX_ERRORS - 1 :] = [((), "more", text, "E" if len(faults) >= _MAX_ERRORS else "I")]
    for loc, code, text, severity in said:
        known = code if code in _MEANINGS else "207" if severity == "E" else "0"
        own = "" if code == known else code
        place = marks.component.join(map(str, _place(loc)))
        coded = marks.component.join((known, _MEANINGS[known], "HL70357"))
        message = _escaped(text, marks)
        yield _segment(marks, "ERR", "", place, coded, severity, own, "", "", message)


def _place(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the segment, its number in the message and the field, as far as they are known."""
    match loc:
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
    escaped = {ord(m): f"{escape}{c}{escape}" if escape else " " for m, c in codes.items() if m}
    return text.translate(_NO_TEXT | escaped)
