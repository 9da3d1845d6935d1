"""Numbers as laboratories report them (``1.8``, ``<0.2``): read from a text, or from a column."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import polars as pl

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


SCALE = 1_000_000
"""Columns hold numbers as integers of millionths: laboratories report at most five decimals."""

_PLAIN_DIGITS = 15  # any decimal of 15 digits survives a 64-bit float and back
COMPARATORS = ("", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of reported numbers, read: every Series as long as the column.

    ``scaled``: Int64 millionths, null where absent, unreadable or ``unscaled``. ``comparator``:
    Int8 index into ``COMPARATORS``. ``unreadable``: Boolean. ``unscaled``: Boolean, readable but
    too fine or too large for the scale, to be graded one by one.
    """

    scaled: pl.Series
    comparator: pl.Series
    unreadable: pl.Series
    unscaled: pl.Series


def read_column(texts: pl.Series, read: Callable[[str], Reported]) -> NumberColumn:
    """Read a String column exactly as ``read`` reads each text, mostly without Python per row.

    A text of digits and at most one point, 15 characters long at most, is a decimal that a float
    identifies uniquely; if its millionths give back the same float, they are that decimal. Other
    texts (comparators, many digits, not a number) are few and repeat: each is read once.
    """
    stripped = texts.str.strip_chars(" \t\r\n").replace("", None).alias("text")
    text = pl.col("text")
    floats = text.cast(pl.Float64, strict=False)
    millionths = (floats * SCALE).round()
    plain = (
        (text.str.len_bytes() <= _PLAIN_DIGITS)
        & (text.str.strip_chars("0123456789.") == "")
        & (millionths < 1e15)
        & (millionths / SCALE == floats)
    ).fill_null(False)
    frame = stripped.to_frame().with_columns(
        scaled=pl.when(plain).then(millionths).cast(pl.Int64), odd=text.is_not_null() & ~plain
    )
    odd = frame.filter("odd")["text"].unique()
    if odd.len() == 0:
        no = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        return NumberColumn(frame["scaled"], no.cast(pl.Int8), no, no)
    one_by_one = pl.DataFrame(
        [(written, *_scale(written, read)) for written in odd],
        schema={
            "text": pl.String,
            "number": pl.Int64,
            "comparator": pl.Int8,
            "unreadable": pl.Boolean,
            "unscaled": pl.Boolean,
        },
        orient="row",
    )
    joined = frame.join(one_by_one, on="text", how="left", maintain_order="left")
    return NumberColumn(
        joined["scaled"].fill_null(joined["number"]),
        joined["comparator"].fill_null(0),
        joined["unreadable"].fill_null(False),
        joined["unscaled"].fill_null(False),
    )


def _scale(text: str, read: Callable[[str], Reported]) -> tuple[int | None, int, bool, bool]:
    """A text's millionths, comparator, and whether it is unreadable or does not fit the scale."""
    try:
        reported = read(text)
    except ReadingError:
        return None, 0, True, False
    numerator, denominator = (reported.number * SCALE).as_integer_ratio()
    fits = denominator == 1 and numerator < 10**15
    comparator = COMPARATORS.index(reported.comparator)
    return (numerator if fits else None), comparator, False, not fits
