"""Laboratory results, read from the fields of observations (OBX) and their orders (OBR)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from toxgrade.errors import FieldFault, ParseError, RequestError
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.reference_ranges import PrintedRange, read_range
from toxgrade.grading.result import Collected, LabResult, Reason, Reported
from toxgrade.grading.units import Names
from toxgrade.server.ehr.hl7v2.message import DATA_TYPE, REQUIRED_MISSING, Segment

ACCEPTED_TIME = (
    "a time YYYYMMDDHHMM, a date YYYYMMDD or a part of one, in the years 1900 to 2199, optionally"
    " with its offset such as +0200"
)
_TIME = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})"
    r"(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?([+-][0-9]{4})?"
)
_NUMERIC = ("NM", "SN", "ST", "TX", "FT", "")
_LOINC, _LOINC_CODE = ("LN", "LOINC", "LNC"), re.compile("[0-9]{1,5}-[0-9]")
_BLOOD = {
    "", "BLD", "BLDA", "BLDC", "BLDV", "BLOOD", "WB", "SER", "SERUM", "PLAS", "PLASMA", "SERPL",
    "SERPLAS", "PPP", "PRP",
}  # fmt: skip

_MAX_CHARACTERS = 200  # This limits each text of a result.
_STATUS = {
    "F": "final", "U": "final", "V": "final", "C": "corrected", "A": "amended", "B": "amended",
    "X": "cancelled", "N": "cancelled", "D": "entered-in-error", "W": "entered-in-error",
}  # fmt: skip
"""Our status by HL7 table 0085; any other (P, S, R, I, O, none) is not final yet: preliminary."""


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


def read_status(obx: Segment, obr: Segment | None) -> str:
    """Return the status of the result (OBX-11), or if it has none, of its report (OBR-25)."""
    code = obx.component(11) or (obr.component(25) if obr else "")
    return _STATUS.get(code.upper(), "preliminary")


def read_reported(obx: Segment) -> Reported | None:
    """Parse the reported number (OBX-5) of an NM, SN, ST, TX or FT; None where it is empty.

    Raises:
        ParseError: ``unreadable-value``, also for repeated values, ratios and ranges.
    """
    kind, whole = obx.component(2), obx.text(5).strip()
    if not whole:
        return None
    if kind not in _NUMERIC or len(obx.repetitions(5)) > 1:
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


def read_code(obx: Segment, specimen: str, codes: Mapping[str, str]) -> str:
    """Return what was measured (OBX-3): a LOINC code of any triplet, else by the site's ``codes``.

    Any other local code becomes ``system|code``: neither it nor a display text is taken for a name.
    For a specimen other than blood, the name by the site's codes includes it, because urine albumin
    is not albumin. Empty where there is no code.
    """
    triplets = [(obx.component(3, n), obx.component(3, n + 2)) for n in (1, 4, 10)]
    sent = [(code, system) for code, system in triplets if code]
    for code, system in sent:
        if system.upper() in _LOINC or (not system and _LOINC_CODE.fullmatch(code)):
            return code
    if mapped := next((codes[code] for code, _ in sent if code in codes), None):
        return mapped if specimen.upper() in _BLOOD else f"{mapped} in {specimen}"
    return f"{sent[0][1]}|{sent[0][0]}" if sent else ""


@dataclass(frozen=True, slots=True)
class Site:
    """What a site has agreed on in addition to the standard.

    ``authority``: the assigning authority whose identifier in PID-3 is the study's pseudonym; None:
    the first one is. ``codes``: analytes by local codes of OBX-3.
    """

    authority: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)


def check_codes(codes: Mapping[str, str], names: Names) -> None:
    """Check a site's codes before anything is read by them.

    Raises:
        RequestError: a code stands for something that is not an analyte.
    """
    for code, analyte in codes.items():
        if names.analyte(analyte) is None:
            text = f"TOXGRADE_HL7V2_CODES: {code} stands for {analyte}, which is no analyte"
            raise RequestError(f"{text}; GET /v1/analytes names them")


@dataclass(slots=True)
class Order:
    """The observations of one OBR, or of a patient before any OBR; ``number`` tells them apart."""

    msh: Segment
    pid: Segment | None
    obr: Segment | None
    number: int = 0
    specimen: str = ""
    observations: list[Segment] = field(default_factory=list)


def read_observation(
    obx: Segment, order: Order, names: Names, site: Site, faults: list[FieldFault]
) -> LabResult:
    """Return the result as far as it can be read, with an unreadable value or range marked as such.

    What prevents storing it is added to ``faults``: a missing code or date, or a text too long.
    """

    def refuse(place: int, code: str, message: str) -> None:
        faults.append(FieldFault(("OBX", obx.sequence, place), code, message))

    def checked(place: int, text: str | None) -> str | None:
        if text and (len(text) > _MAX_CHARACTERS or not text.isprintable()):
            refuse(place, DATA_TYPE, f"expected at most {_MAX_CHARACTERS} printable characters")
        return text or None

    code = read_code(obx, order.specimen, site.codes)
    if not code:
        refuse(3, REQUIRED_MISSING, "required: the code of what was measured")
    reported, unreadable = _reported(obx)
    if reported is None and not unreadable and obx.component(11).upper() == "U":
        refuse(11, REQUIRED_MISSING, "U is taken only with the value")
    printed = _range(obx)
    collected = _collected(obx, order, refuse)
    lab = obx.component(23) or obx.component(15) or order.msh.component(4)
    return LabResult(
        analyte=checked(3, code) or "",
        value=reported,
        unit=checked(6, read_unit(obx, code, names)),
        lln=printed.lln if printed else None,
        uln=printed.uln if printed else None,
        limit_unit=checked(7, printed.unit) if printed else None,
        collected=collected,
        status=read_status(obx, order.obr),
        source_id=checked(4, _source_id(obx, order)),
        issued=_issued(order),
        unreadable=unreadable,
        unreadable_limit=printed is None,
        lab=checked(15, lab),
    )


def _reported(obx: Segment) -> tuple[Reported | None, Literal[Reason.UNREADABLE_VALUE] | None]:
    try:
        return read_reported(obx), None
    except ParseError:
        return None, Reason.UNREADABLE_VALUE


def _range(obx: Segment) -> PrintedRange | None:
    """Parse the reference range (OBX-7); None where one was sent but cannot be read."""
    try:
        return read_range(obx.text(7))
    except ParseError:
        return None


def _collected(
    obx: Segment, order: Order, refuse: Callable[[int, str, str], None]
) -> Collected | None:
    """Return when the specimen was taken, by the observation (OBX-14), else by the order (OBR-7).

    Where there is none or it cannot be read, call ``refuse`` and return None.
    """
    written = obx.component(14) or (order.obr.component(7) if order.obr else "")
    if not written:
        refuse(14, REQUIRED_MISSING, f"required here or in OBR-7: {ACCEPTED_TIME}")
        return None
    try:
        return read_time(written)
    except ParseError as error:
        refuse(14, DATA_TYPE, error.message)
        return None


def _source_id(obx: Segment, order: Order) -> str | None:
    """Return the laboratory's number of the order, else the ward's, with the sub-id (OBX-4)."""
    if order.obr is None:
        return None
    number = order.obr.component(3) or order.obr.component(2)
    sub_id = obx.component(4)
    return f"{number}/{sub_id}" if number and sub_id else number or None


def _issued(order: Order) -> datetime | None:
    """Return when the results were released (OBR-22), else when the message was made (MSH-7)."""
    released = read_issued(order.obr.component(22)) if order.obr else None
    return released or read_issued(order.msh.component(7))
