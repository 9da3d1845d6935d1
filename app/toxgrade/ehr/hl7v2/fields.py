"""The fields of an observation (OBX) and its order (OBR) as grading reads them."""

import re
from collections.abc import Mapping
from datetime import datetime

from toxgrade.ehr.hl7v2.message import Segment
from toxgrade.errors import ReadingError
from toxgrade.grading.dates import read_collected
from toxgrade.grading.result import Collected, Reported
from toxgrade.grading.units import Names
from toxgrade.grading.values import read_value

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

_STATUS = {
    "F": "final", "U": "final", "V": "final", "C": "corrected", "A": "amended", "B": "amended",
    "X": "cancelled", "N": "cancelled", "D": "entered-in-error", "W": "entered-in-error",
}  # fmt: skip
"""HL7 table 0085. What is not there (P, S, R, I, O, no status) is not final yet: preliminary."""


def read_time(text: str) -> Collected:
    """A time stamp (TS, DTM) of any precision, as written.

    Raises:
        ReadingError: ``unreadable-date``; the message says what is accepted.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_TIME}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    written = "-".join(filter(None, (year, month, day)))
    if hour:
        written += "T" + ":".join(filter(None, (hour, minute, second)))
        written += (f".{fraction}" if fraction else "") + (offset or "")
    try:
        return read_collected(written)
    except ReadingError:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_TIME}") from None


def read_issued(text: str) -> datetime | None:
    """When a version was released; None where the time has no offset and so cannot be ordered."""
    try:
        issued = datetime.fromisoformat(read_time(text).text)
    except (ReadingError, ValueError):
        return None
    return issued if issued.tzinfo else None


def read_status(obx: Segment, obr: Segment | None) -> str:
    """The result's status (OBX-11), or where it has none its report's (OBR-25)."""
    told = obx.component(11) or (obr.component(25) if obr else "")
    return _STATUS.get(told.upper(), "preliminary")


def read_reported(obx: Segment) -> Reported | None:
    """The reported number (OBX-5) of a NM, SN, ST, TX or FT; None where there is none.

    Raises:
        ReadingError: ``unreadable-value``, also for repeated values, ratios and ranges.
    """
    kind, whole = obx.component(2), obx.text(5).strip()
    if not whole:
        return None
    if kind not in _NUMERIC or len(obx.repetitions(5)) > 1:
        raise ReadingError("unreadable-value", "expected one number")
    if kind != "SN":
        return read_value(whole)
    comparator, first, separator, second = (obx.component(5, n) for n in range(1, 5))
    if separator or second:
        raise ReadingError("unreadable-value", "expected one number")
    return read_value(("" if comparator == "=" else comparator) + first)


def read_unit(obx: Segment, analyte: str, names: Names) -> str | None:
    """The unit (OBX-6): its code, else its text, whichever is known for the analyte first.

    ``10^3/uL``, sent without its escape, falls apart into components and is put together again.
    """
    told = [obx.component(6), obx.component(6, 2), obx.component(6, 4), obx.raw(6).strip()]
    found = [text for text in told if text]
    known = names.analyte(analyte)
    if known is not None:
        found = [text for text in found if names.unit(known, text)] or found
    return found[0] if found else None


def read_code(obx: Segment, specimen: str, codes: Mapping[str, str]) -> str:
    """What was measured (OBX-3): a LOINC code in any triplet, else what the site's ``codes`` say.

    Another local code stays ``system|code``: neither it nor a display text is taken for a name.
    A code of the site's on a specimen other than blood keeps that in its name, for urine albumin is
    no albumin. Empty where there is no code.
    """
    triplets = [(obx.component(3, n), obx.component(3, n + 2)) for n in (1, 4, 10)]
    sent = [(code, system) for code, system in triplets if code]
    for code, system in sent:
        if system.upper() in _LOINC or (not system and _LOINC_CODE.fullmatch(code)):
            return code
    if mapped := next((codes[code] for code, _ in sent if code in codes), None):
        return mapped if specimen.upper() in _BLOOD else f"{mapped} in {specimen}"
    return f"{sent[0][1]}|{sent[0][0]}" if sent else ""
