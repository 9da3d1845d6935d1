"""Numbers as laboratories report them (``1.8``, ``<0.2``), read from a text.

``columns/values.py`` reads a column.
"""

import re
from decimal import Decimal
from functools import lru_cache

from toxgrade.errors import ReadingError
from toxgrade.grading.result import Reported

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
        ReadingError: ``unreadable-value``; the message says what is accepted.
    """
    match = _REPORTED.fullmatch(text.strip(" \t\r\n"))
    if match is None:
        raise ReadingError("unreadable-value", f"expected {ACCEPTED_VALUE}")
    number = Decimal(match["number"])
    digits = number.as_tuple().digits
    if len(digits) > _MOST_DIGITS or (number and not _SMALLEST <= number < _LARGEST):
        raise ReadingError(
            "unreadable-value",
            f"expected {ACCEPTED_VALUE}, of at most {_MOST_DIGITS} digits and below 1e15",
        )
    return Reported(number, match["comparator"] or "")  # type: ignore[arg-type]


def read_limit(text: str) -> Reported:
    """Read a limit of the reference range (LLN or ULN), exactly; a comparator is refused.

    Raises:
        ReadingError: ``unreadable-limit``; the message says what is accepted.
    """
    try:
        reported = read_value(text)
    except ReadingError as error:
        raise ReadingError("unreadable-limit", f"expected {ACCEPTED_LIMIT}") from error
    if reported.comparator:
        raise ReadingError("unreadable-limit", f"expected {ACCEPTED_LIMIT}")
    return reported
