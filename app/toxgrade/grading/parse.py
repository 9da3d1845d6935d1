"""Parsers for numbers, limits and dates as laboratories write them, and for rows of an export.

They parse one text at a time; ``columns/parse.py`` parses whole columns.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from toxgrade.errors import ParseError
from toxgrade.grading.flags import Reason
from toxgrade.grading.result import Collected, LabResult, Reported

COLUMNS = (
    *("patient", "collected", "analyte", "value", "unit", "lln", "uln"),
    *("limit_unit", "baseline", "status", "specimen", "indicator"),
)
"""The columns of a frame of rows, String or Categorical, null where absent."""

FIRST_YEAR, LAST_YEAR = 1900, 2299  # De-identified data are shifted by up to two centuries.
YEARS = f"years {FIRST_YEAR} to {LAST_YEAR}"
ACCEPTED_VALUE = (
    "a number of zero or more such as 1.8 or 7200, with a decimal point and ASCII digits,"
    " optionally after <, <=, > or >="
)
ACCEPTED_LIMIT = "a number of zero or more such as 1.2, with a decimal point and ASCII digits"
ACCEPTED_DATE = (
    "a date YYYY-MM-DD, a date-time such as 2011-04-23T14:45+02:00, or a partial date YYYY-MM or"
    f" YYYY, in the {YEARS}"
)

_REPORTED = re.compile(
    r"(?P<comparator><=|>=|<|>|≤|≥)?[ \t]*"
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)"
)  # Digits can be read in one way only: else a long text would be tried in every way.
_ONE_CHARACTER = {"≤": "<=", "≥": ">="}
_MOST_DIGITS = 30
_LONGEST_KEPT = 100  # Characters of a text whose meaning is remembered.
_SMALLEST, _LARGEST = Decimal("1e-15"), Decimal("1e15")
_YEAR, _MONTH, _DAY = "(?:19|2[0-2])[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_OFFSET = f"(?:Z|[+-]{_HOUR}(?::?{_SIXTY})?)"  # RFC 3339 allows this range.
_TIME = rf"({_HOUR})(?::({_SIXTY})(?::({_SIXTY})(?:\.([0-9]+))?)?)?{_OFFSET}?"
_COLLECTED = re.compile(f"({_YEAR})(?:-({_MONTH})(?:-({_DAY})(?:[T ]{_TIME})?)?)?")
FULL_DATE = f"^{_YEAR}-{_MONTH}-{_DAY}(?:[T ]{_TIME})?$"
"""Pattern of a date or date-time without surrounding white space, for Python and for polars."""
START_DATE = (
    rf"^{_YEAR}-{_MONTH}-{_DAY}"
    rf"(?:[T ]{_HOUR}:{_SIXTY}(?::{_SIXTY}(?:\.[0-9]+)?)?{_OFFSET}?)?$"
)
"""Pattern of what ``read_start`` parses."""
WHITE_SPACE = " \t\r\n"


def read_value(text: str) -> Reported:
    """Parse a reported value and its comparator exactly.

    Raises:
        ParseError: ``unreadable-value``; the message says what is accepted.
    """
    return _known_value(text) if len(text) <= _LONGEST_KEPT else _read_value(text)


def _read_value(text: str) -> Reported:
    match = _REPORTED.fullmatch(text.strip(" \t\r\n"))
    if match is None:
        raise ParseError("unreadable-value", f"expected {ACCEPTED_VALUE}")
    number = Decimal(match["number"])
    digits = number.as_tuple().digits
    if len(digits) > _MOST_DIGITS or (number and not _SMALLEST <= number < _LARGEST):
        raise ParseError(
            "unreadable-value",
            f"expected {ACCEPTED_VALUE}, of at most {_MOST_DIGITS} digits and below 1e15",
        )
    sign = match["comparator"] or ""
    return Reported(number, _ONE_CHARACTER.get(sign, sign))  # type: ignore[arg-type]


# This takes about 5 MB; laboratories report the same few numbers.
_known_value = lru_cache(20_000)(_read_value)


def read_limit(text: str) -> Reported:
    """Parse a limit of the reference range (LLN or ULN) exactly; refuse a comparator.

    Raises:
        ParseError: ``unreadable-limit``; the message says what is accepted.
    """
    try:
        reported = read_value(text)
    except ParseError as error:
        raise ParseError("unreadable-limit", f"expected {ACCEPTED_LIMIT}") from error
    if reported.comparator:
        raise ParseError("unreadable-limit", f"expected {ACCEPTED_LIMIT}")
    return reported


def read_collected(text: str) -> Collected:
    """Parse a date, date-time or partial date; white space around it is ignored.

    The time of day is truncated to microseconds; an hour alone (``T14``) gives no time.

    Raises:
        ParseError: ``unreadable-date``; the message says what is accepted.
    """
    return _known_date(text) if len(text) <= _LONGEST_KEPT else _read_collected(text)


def _read_collected(text: str) -> Collected:
    written = text.strip(WHITE_SPACE)
    match = _COLLECTED.fullmatch(written)
    if match is None:
        raise ParseError("unreadable-date", f"expected {ACCEPTED_DATE}")
    year, month, day, hour, minute, second, fraction = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise ParseError("unreadable-date", f"expected {ACCEPTED_DATE}") from None
    at = None
    if minute is not None:
        microsecond = int((fraction or "")[:6].ljust(6, "0"))
        at = time(int(hour), int(minute), int(second or 0), microsecond)
    return Collected(written, first, _last(first, month, day), at)


# This takes about 5 MB; a file has few different dates.
_known_date = lru_cache(20_000)(_read_collected)


ACCEPTED_START = (
    "a date YYYY-MM-DD or a date-time with hours and minutes such as 2011-01-24T09:00, in the years"
    " 1900 to 2199"
)


def read_start(text: str) -> tuple[date, time | None]:
    """Parse the start of radiotherapy: its day, and its time of day (None: not known).

    The time is by the writer's own clock, as that of results. Midnight is how a date without a time
    is often written, and no treatment starts then: it counts as not known.

    Raises:
        ParseError: ``partial-date``, ``unreadable-date`` or, without minutes, ``unreadable-time``;
            the message says what is accepted.
    """
    read = read_collected(text)
    if read.first != read.last:
        raise ParseError("partial-date", f"expected {ACCEPTED_START}")
    if read.time is None and len(read.text) > _DATE_LENGTH:
        raise ParseError("unreadable-time", f"expected {ACCEPTED_START}")
    return read.first, None if read.time == time() else read.time


_DATE_LENGTH = len("2011-01-24")


def _last(first: date, month: str | None, day: str | None) -> date:
    """Return the last day that a date, partial if ``day`` is None, may mean."""
    if day is not None:
        return first
    last_month = first.month if month is not None else 12
    return date(first.year, last_month, calendar.monthrange(first.year, last_month)[1])


def lab_result(row: Mapping[str, str | None]) -> LabResult:
    """Parse a row of ``COLUMNS`` and optionally ``source_id``; mark what cannot be parsed."""
    text = {name: (value or "").strip(WHITE_SPACE) for name, value in row.items()}
    value, collected = None, None
    unreadable: Literal[Reason.UNREADABLE_VALUE, Reason.UNREADABLE_DATE] | None = None
    try:
        collected = read_collected(text["collected"]) if text["collected"] else None
    except ParseError:
        unreadable = Reason.UNREADABLE_DATE
    try:
        value = read_value(text["value"]) if text["value"] else None
    except ParseError:
        unreadable = Reason.UNREADABLE_VALUE
    lln, lln_valid = _limit(text["lln"])
    uln, uln_valid = _limit(text["uln"])
    return LabResult(
        analyte=text["analyte"],
        value=value,
        unit=text["unit"] or None,
        lln=lln,
        uln=uln,
        limit_unit=text["limit_unit"] or None,
        collected=collected,
        status=text["status"] or "final",
        is_baseline=text["baseline"].upper() == "Y",
        source_id=text.get("source_id") or None,
        specimen=text["specimen"] or None,
        indicator=text["indicator"] or None,
        unreadable=unreadable,
        unreadable_limit=not (lln_valid and uln_valid),
    )


def _limit(text: str) -> tuple[Decimal | None, bool]:
    """Return a limit and whether it can be parsed; a blank text is no limit, which is valid."""
    try:
        return (read_limit(text).number if text else None), True
    except ParseError:
        return None, False
