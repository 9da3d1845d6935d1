"""What a laboratory's normal or abnormal flag says about limits that it did not send.

SDTM calls it LBNRIND, ADaM ANRIND, HL7 v2 OBX-8 and FHIR ``interpretation``.
"""

from collections.abc import Iterable
from typing import Literal

from toxgrade.criteria.model import Limit, Reference

Indicator = Literal["normal", "high", "low"]

_WORDS: dict[str, Indicator] = {
    **dict.fromkeys(("N", "NORMAL"), "normal"),
    **dict.fromkeys(("H", "HH", "HIGH", "HU"), "high"),
    **dict.fromkeys(("L", "LL", "LOW", "LU"), "low"),
}  # fmt: skip
_ABNORMAL = ("A", "AA", "ABNORMAL", "HX", "LX", "<", ">", "*", "**")


def read_indicator(text: str | None) -> Indicator | None:
    """Return what a flag says; None for any other word (``A``, ``ABNORMAL``) and for none at all.

    ``*`` and ``!`` after it only draw attention.
    """
    return _WORDS.get(text.strip().rstrip("*!").rstrip().upper()) if text else None


def one_indicator(texts: Iterable[str]) -> str | None:
    """Return the flag of several that says something; None where none does, or two differ.

    What is abnormal in any way (``A``, ``<``) is not normal.
    """
    sent = [text for text in texts if text]
    said = {read_indicator(text): text for text in sent}
    said.pop(None, None)
    is_abnormal = any(text.strip().upper() in _ABNORMAL for text in sent)
    if len(said) != 1 or (is_abnormal and "normal" in said):
        return None
    return next(iter(said.values()))


def says_beyond(indicator: Indicator | None, side: Reference) -> bool | None:
    """Return whether the value is above the ULN, or below the LLN, by the flag; None: no flag."""
    return None if indicator is None else indicator == ("high" if side == "ULN" else "low")


def reaches(limit: Limit, *, beyond: bool | None) -> bool | None:
    """Return whether a value reaches a limit relative to the ULN or LLN that is itself unknown.

    ``beyond``: whether the value is above that ULN or below that LLN. What is not above the ULN is
    not above 3 x ULN either; what is above it may or may not be.
    """
    if beyond is None or "=" in limit.comparison:
        return None
    further = limit.multiple >= 1 if limit.comparison == ">" else limit.multiple <= 1
    nearer = limit.multiple <= 1 if limit.comparison == ">" else limit.multiple >= 1
    plus = limit.amount if limit.comparison == ">" else -limit.amount
    if beyond:
        return True if nearer and plus <= 0 else None
    return False if further and plus >= 0 else None
