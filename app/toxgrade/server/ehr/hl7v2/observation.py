"""Laboratory results, read from the fields of observations (OBX) and their orders (OBR)."""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Literal

from toxgrade.errors import FieldFault, ParseError
from toxgrade.grading.flags import Reason
from toxgrade.grading.indicators import one_indicator
from toxgrade.grading.parse import read_value
from toxgrade.grading.reference_ranges import PrintedRange, read_range
from toxgrade.grading.result import WITHDRAWN, Collected, LabResult, Reported
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.acknowledge import DATA_TYPE, REQUIRED_MISSING, Remark
from toxgrade.server.ehr.hl7v2.message import (
    ACCEPTED_TIME,
    LONGEST,
    SURROGATE,
    Segment,
    one_line,
    read_time,
)
from toxgrade.server.ehr.hl7v2.orders import Order

PASSED_OVER = "passed-over"
"""The code of what is told of an observation that is not stored."""

_NUMERIC = ("NM", "SN", "ST", "TX", "FT", "")
_LOINC, _LOINC_CODE = ("LN", "LOINC", "LNC"), re.compile("[0-9]{1,5}-[0-9]")
_PENDING = ("I", "O", "R", "S", "P")
_CHANGES = ("A", "B", "C", "D", "W", "X")  # These amend, correct or withdraw what was sent before.

_STATUS = {
    "F": "final", "U": "final", "V": "final", "C": "corrected", "A": "amended", "B": "amended",
    "X": "cancelled", "N": "cancelled", "D": "entered-in-error", "W": "entered-in-error",
}  # fmt: skip
"""Our status by HL7 table 0085; any other (P, S, R, I, O, none) is not final yet: preliminary."""


def read_reported(obx: Segment) -> Reported | None:
    """Parse the reported number (OBX-5) of an NM, SN, ST, TX or FT; None where it is empty.

    Raises:
        ParseError: ``unreadable-value``, also for repeated values, ratios and ranges.
    """
    kind, whole = obx.component(2), obx.text(5).strip()
    if not whole:
        return None
    if kind not in _NUMERIC or len(list(islice(obx.repetitions(5), 2))) > 1:
        raise ParseError("unreadable-value", "expected one number")
    if kind != "SN":
        return read_value(whole)
    comparator, first, separator, second = (obx.component(5, n) for n in range(1, 5))
    if separator or second:
        raise ParseError("unreadable-value", "expected one number")
    return read_value(("" if comparator == "=" else comparator) + first)


def read_unit(obx: Segment, analyte: str, names: Names) -> str | None:
    """Return the unit (OBX-6): its code, text or second code, the first known for the analyte.

    ``10^3/uL``, if sent without an escape, looks like two components, so the whole is tried, too.
    """
    sent = [obx.component(6), obx.component(6, 2), obx.component(6, 4), obx.raw(6).strip()]
    found = [text for text in sent if text]
    known = names.analyte(analyte)
    if known is not None:
        found = [text for text in found if names.unit(known, text)] or found
    return found[0] if found else None


def read_code(obx: Segment, codes: Mapping[str, str], names: Names) -> str:
    """Return what was measured (OBX-3): a LOINC code of any triplet, else by the site's ``codes``.

    Any other local code becomes ``system|code``, which only the study's dictionary may know:
    neither it nor a display text is taken for a name. Empty where there is no code.

    Raises:
        ParseError: ``contradiction``: the codes name different tests, so that none is taken; the
            message is a text of no analyte.
    """
    sent = [
        (code, each.component(n + 2))
        for each in obx.repetitions(3)
        for n in (1, 4, 10)
        if (code := each.component(n))
    ]
    loinc = dict.fromkeys(code for code, system in sent if _is_loinc(code, system))
    mapped = [codes[code] for code, _ in sent if code in codes and code not in loinc]
    local = [f"{system}|{code}" for code, system in sent if code not in loinc]
    mapped += [text for text in local if names.analyte(text)]
    tests = {a.name for code in (*loinc, *mapped) if (a := names.analyte(code))}
    tests |= {refused for code in loinc if (refused := names.refusal(code))}
    if len(tests) > 1:
        raise ParseError("contradiction", "|".join((*loinc, *mapped))[:LONGEST])
    known = [c for c in loinc if names.analyte(c) or names.refusal(c)]
    return next(iter([*known, *mapped, *loinc, *local]), "")


def _is_loinc(code: str, system: str) -> bool:
    return system.upper() in _LOINC or (not system and _LOINC_CODE.fullmatch(code) is not None)


def read_observation(
    obx: Segment, order: Order, names: Names, codes: Mapping[str, str],
    faults: list[FieldFault], remarks: list[Remark],
) -> LabResult | None:  # fmt: skip
    """Return the result as far as it can be read, with an unreadable value or range marked as such.

    None: there is nothing to store, or it cannot be and is of no analyte that is graded; a remark
    says so. What prevents storing another is added to ``faults``.
    """

    def tell(place: int, code: str, text: str, severity: Literal["W", "I"] = "W") -> None:
        remarks.append(Remark(("OBX", obx.sequence, place), code, text, severity))

    try:
        code = read_code(obx, codes, names)
        is_graded = names.analyte(code) is not None
    except ParseError as error:
        code, is_graded = error.message, True
        tell(3, error.code, "the codes name different tests: none is taken, it is not graded")
    if why := _nothing_to_store(obx, order, code, is_graded=is_graded):
        tell(5, PASSED_OVER, f"passed over: {why}", "I")
        return None
    own: list[FieldFault] = []
    result = _read_result(obx, order, code, names, own)
    if order.is_control:
        tell(3, PASSED_OVER, "passed over: the specimen (SPM-11) is not a patient's")
        return None
    is_readable = code.isprintable() and len(code) <= LONGEST
    if own and code and not is_graded and is_readable:
        text = f"passed over: of no analyte that is graded; {own[0].message}"
        remarks.append(Remark(own[0].loc, PASSED_OVER, text))
        return None
    faults += own
    return result


def _nothing_to_store(obx: Segment, order: Order, code: str, *, is_graded: bool) -> str:
    """Return why an observation holds no result: it is pending, or text; else an empty text."""
    status, kind = order.status(obx), obx.component(2).upper()
    is_empty = not obx.text(5).strip()
    if is_empty and (status in _PENDING or not code):
        return "it has no value"
    if is_graded or status in _CHANGES:
        return ""
    is_text = kind not in ("NM", "SN") and _reported(obx)[0] is None
    if code:
        return "" if is_empty or not is_text else "no number, and of no analyte that is graded"
    return "a text without a code (OBX-3)" if is_text or kind in ("TX", "FT") else ""


def _read_result(
    obx: Segment, order: Order, code: str, names: Names, faults: list[FieldFault]
) -> LabResult:
    """Return the result; add to ``faults`` a missing code or date, and texts too long or odd."""

    def refuse(place: int, code: str, message: str) -> None:
        faults.append(FieldFault(("OBX", obx.sequence, place), code, message))

    def checked(place: int, text: str | None) -> str | None:
        if text and SURROGATE.search(text):
            message = f"OBX-{place} of OBX {obx.sequence} is in another charset than is declared"
            faults.append(FieldFault(("MSH", 1, 18), DATA_TYPE, message))
        elif text and (len(text) > LONGEST or not text.isprintable()):
            refuse(place, DATA_TYPE, f"expected at most {LONGEST} printable characters")
        return text or None

    if not code:
        refuse(3, REQUIRED_MISSING, "required: the code of what was measured")
    reported, unreadable = _reported(obx)
    if reported is None and not unreadable and obx.component(11).upper() == "U":
        refuse(11, REQUIRED_MISSING, "U is taken only with the value")
    printed = _range(obx)
    lab = obx.component(23) or obx.component(15) or order.sender.facility
    return LabResult(
        analyte=checked(3, code) or "",
        value=reported,
        unit=checked(6, read_unit(obx, code, names)),
        lln=printed.lln if printed else None,
        uln=printed.uln if printed else None,
        limit_unit=checked(7, printed.unit) if printed else None,
        collected=_collected(obx, order, refuse),
        status=_STATUS.get(order.status(obx), "preliminary"),
        source_id=checked(4, order.source_id(obx)),
        source_scope=order.source_scope(obx),
        issued=order.issued,
        unreadable=unreadable,
        unreadable_limit=printed is None,
        lab=checked(15, re.sub(r"[\x00-\x20\x7f]+", " ", lab).strip()),
        specimen=order.specimen,
        indicator=one_indicator(one_line(r.component()) or "" for r in obx.repetitions(8)),
    )


def _reported(obx: Segment) -> tuple[Reported | None, Literal[Reason.UNREADABLE_VALUE] | None]:
    try:
        return read_reported(obx), None
    except ParseError:
        return None, Reason.UNREADABLE_VALUE


def _range(obx: Segment) -> PrintedRange | None:
    try:
        return read_range(obx.text(7))
    except ParseError:
        return None


def _collected(
    obx: Segment, order: Order, refuse: Callable[[int, str, str], None]
) -> Collected | None:
    """Return when the specimen was taken; where that is missing or unreadable, call ``refuse``."""
    written = order.collected(obx)
    if not written and _STATUS.get(order.status(obx)) in WITHDRAWN:
        return None  # A withdrawal is known by its number.
    if not written:
        refuse(14, REQUIRED_MISSING, f"required here, in OBR-7 or in SPM-17: {ACCEPTED_TIME}")
        return None
    try:
        return read_time(written)
    except ParseError as error:
        refuse(14, DATA_TYPE, error.message)
        return None
