"""Numbers as laboratories report them (``1.8``, ``<0.2``), read from a text.

``columns/values.py`` reads a column.
"""

import calendar
import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from toxgrade.errors import ParseError
from toxgrade.grading.result import Collected, LabResult, Reason, Reported

ACCEPTED_VALUE = (
    "a number of zero or more such as 1.8 or 7200, with a decimal point and ASCII digits,"
    " optionally after <, <=, > or >="
)
ACCEPTED_LIMIT = "a number of zero or more such as 1.2, with a decimal point and ASCII digits"

_REPORTED = re.compile(
    r"(?P<comparator><=|>=|<|>)?[ \t]*"
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)"
)
_MOST_DIGITS = 30
_SMALLEST, _LARGEST = Decimal("1e-15"), Decimal("1e15")


@lru_cache(20_000)  # about 5 MB: laboratories report the same few numbers
def read_value(text: str) -> Reported:
    """Read a reported value with its comparator, exactly.

    Raises:
        ParseError: ``unreadable-value``; the message says what is accepted.
    """
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
    return Reported(number, match["comparator"] or "")  # type: ignore[arg-type]


def read_limit(text: str) -> Reported:
    """Read a limit of the reference range (LLN or ULN), exactly; a comparator is refused.

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


ACCEPTED_DATE = (
    "a date YYYY-MM-DD, a date-time such as 2011-04-23T14:45+02:00, or a partial date YYYY-MM or"
    " YYYY, in the years 1900 to 2199"
)
FIRST_YEAR, LAST_YEAR = 1900, 2199

_YEAR, _MONTH, _DAY = "(?:19|20|21)[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_OFFSET = f"(?:Z|[+-]{_HOUR}(?::?{_SIXTY})?)"  # the range of RFC 3339
_TIME = rf"({_HOUR})(?::({_SIXTY})(?::({_SIXTY})(?:\.([0-9]+))?)?)?{_OFFSET}?"
_COLLECTED = re.compile(f"({_YEAR})(?:-({_MONTH})(?:-({_DAY})(?:[T ]{_TIME})?)?)?")
FULL_DATE = f"^{_YEAR}-{_MONTH}-{_DAY}(?:[T ]{_TIME})?$"
"""A date or date-time without white space around it, as a pattern of Python and of polars."""
WHITE_SPACE = " \t\r\n"


@lru_cache(20_000)  # about 5 MB: a file has few dates
def read_collected(text: str) -> Collected:
    """Read a date, date-time or partial date, with white space around it or none.

    The time of day is kept to the microsecond; an hour alone (``T14``) gives none.

    Raises:
        ParseError: ``unreadable-date``; the message says what is accepted.
    """
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


def _last(first: date, month: str | None, day: str | None) -> date:
    """The last day that a partial date may mean."""
    if day is not None:
        return first
    last_month = first.month if month is not None else 12
    return date(first.year, last_month, calendar.monthrange(first.year, last_month)[1])


COLUMNS = (
    *("patient", "collected", "analyte", "value", "unit", "lln", "uln"),
    *("limit_unit", "baseline", "status"),
)
"""What a frame of rows holds, String (or Categorical), null where absent."""


def lab_result(row: Mapping[str, str | None]) -> LabResult:
    """Read one row of ``COLUMNS``, and ``source_id`` where it has one; what cannot be read is
    marked, never raised or guessed.
    """
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
    lln, lln_read = _limit(text["lln"])
    uln, uln_read = _limit(text["uln"])
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
        source_id=row.get("source_id"),
        unreadable=unreadable,
        unreadable_limit=not (lln_read and uln_read),
    )


def _limit(text: str) -> tuple[Decimal | None, bool]:
    """A limit and whether it could be read; absent counts as read."""
    try:
        return (read_limit(text).number if text else None), True
    except ParseError:
        return None, False
