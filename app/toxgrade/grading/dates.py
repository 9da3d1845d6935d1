"""Dates as laboratories write them, read from a text; ``columns/dates.py`` reads a column.

The calendar date as written, in the writer's own offset, decides; it is never converted. The offset
is not kept: times of one day are ordered as written.
"""

import calendar
import re
from datetime import date, time
from functools import lru_cache

from toxgrade.errors import ReadingError
from toxgrade.grading.result import Collected

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
        ReadingError: ``unreadable-date``; the message says what is accepted.
    """
    written = text.strip(WHITE_SPACE)
    match = _COLLECTED.fullmatch(written)
    if match is None:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_DATE}")
    year, month, day, hour, minute, second, fraction = match.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_DATE}") from None
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
