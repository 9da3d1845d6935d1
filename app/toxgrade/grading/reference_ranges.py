"""Reference ranges: a parser for printed ones (``7-56``, ``<1.2``), and the rows of a study's own.

HL7 v2 has printed ranges in OBX-7, FHIR in ``referenceRange.text``.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from toxgrade.errors import ParseError

ACCEPTED_RANGE = (
    "a range such as 7-56, 0.0 to 1.2, <1.2, < OR = 40, up to 40, bis 40, -40, >59 or 150-, with a"
    " decimal point and ASCII digits, optionally followed by its unit"
)

_NUMBER = r"(?:[0-9]{1,15}(?:\.[0-9]{0,29})?|\.[0-9]{1,29})"  # As in `parse.py`.
_DASH = "(?:-|–|—)"
_RANGE = re.compile(
    rf"""
    (?: (?: (?P<low>{_NUMBER}) \s* (?:{_DASH}|_|\b(?:to|bis)\b) \s* (?P<high>{_NUMBER})
          | (?:<=|<|≤|<\s*or\s*=|up\s+to\b|bis\b|{_DASH}) \s* (?P<upper>{_NUMBER})
          | (?:>=|>|≥|>\s*or\s*=) \s* (?P<lower>{_NUMBER})
        )
        (?: \s* (?P<attached>[^\W\d_%]\S* | %) | \s+ (?P<unit>\S*[^\W\d_]\S*) )?
      | (?P<from>{_NUMBER}) \s* {_DASH} (?: \s* (?P<word>[^\W\d_%]\S* | %) )?
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_BRACKETS = {"(": ")", "[": "]"}

Sex = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class StudyRange:
    """One row of a study's own reference ranges, for results that come without one.

    ``lln`` and ``uln`` are in ``unit``; one of them may be None: the site has none. ``lab`` None:
    any laboratory; ``sex`` None: either. ``age_from`` and ``age_to`` are completed years, both
    included, None: no bound. ``valid_from`` is the first day of collection, None: always valid.
    """

    analyte: str
    lln: Decimal | None
    uln: Decimal | None
    unit: str
    lab: str | None = None
    sex: Sex | None = None
    age_from: int | None = None
    age_to: int | None = None
    valid_from: date | None = None


@dataclass(frozen=True, slots=True)
class PrintedRange:
    """A reference range as printed; a limit is None where the text gives none.

    ``unit`` is the word after the numbers, as written; None where there is none: the limits are
    then in the value's own unit.
    """

    lln: Decimal | None = None
    uln: Decimal | None = None
    unit: str | None = None


def read_range(text: str) -> PrintedRange:
    """Parse a printed reference range exactly, if it can have only one meaning.

    ``<1.2``, ``up to 1.2``, ``bis 1.2`` and ``-1.2`` give a ULN and no LLN, ``>59`` and ``59-`` the
    reverse. A text without a digit (``Not Estab.``, ``Negative``, the empty text) gives neither.
    The numbers are not checked: ``0-0`` is accepted.

    Raises:
        ParseError: ``unreadable-limit``: a text with digits is not one single range
            (``0-2-7.2``, ``3,5-5,0``, ``M: 13-17 F: 12-15``); the message says what is accepted.
    """
    printed = text.strip()
    if printed and _BRACKETS.get(printed[0]) == printed[-1]:
        printed = printed[1:-1].strip()
    if not _DIGIT.search(printed):
        return PrintedRange()
    match = _RANGE.fullmatch(printed)
    if match is None:
        raise ParseError("unreadable-limit", f"expected {ACCEPTED_RANGE}")
    lln = match["low"] or match["lower"] or match["from"]
    uln = match["high"] or match["upper"]
    return PrintedRange(
        lln=Decimal(lln) if lln else None,
        uln=Decimal(uln) if uln else None,
        unit=match["attached"] or match["unit"] or match["word"],
    )
