"""Parsers for columns of numbers and dates, exactly as ``grading/parse.py`` parses each text."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from toxgrade.errors import ParseError
from toxgrade.grading.digits import without_noise
from toxgrade.grading.parse import FULL_DATE, WHITE_SPACE, read_collected, read_value
from toxgrade.grading.result import Reported

SCALE = 1_000_000
"""Columns hold numbers as integers of millionths: laboratories report at most five decimals."""

_PLAIN_DIGITS = 15  # A 64-bit float identifies any decimal of 15 digits.
COMPARATORS = ("", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A parsed column of reported numbers; every Series is as long as the column.

    ``scaled``: Int64 millionths, null where absent, unreadable or ``unscaled``. ``comparator``:
    Int8 index into ``COMPARATORS``. ``unreadable``: Boolean. ``unscaled``: Boolean, a number that
    is too fine or too large for the scale and goes to the plain grader. ``noise``: Boolean, a
    number of more than 15 significant digits, which is read to 15.
    """

    scaled: pl.Series
    comparator: pl.Series
    unreadable: pl.Series
    unscaled: pl.Series
    noise: pl.Series


def read_column(texts: pl.Series, read: Callable[[str], Reported]) -> NumberColumn:
    """Parse a String column exactly as ``read`` parses each text, mostly without Python per row.

    A text of at most 15 characters, digits and a point, is a decimal that a float identifies
    uniquely; if its millionths give back the same float, they are that decimal. Other texts (with
    a comparator or many digits, or not a number) are few and recur: each is parsed once.
    """
    stripped = texts.str.strip_chars(" \t\r\n").replace("", None).alias("text")
    text = pl.col("text")
    floats = text.cast(pl.Float64, strict=False)
    millionths = (floats * SCALE).round()
    is_decimal = (
        (text.str.len_bytes() <= _PLAIN_DIGITS)
        & (text.str.strip_chars("0123456789.") == "")
        & (millionths < 1e15)
        & (millionths / SCALE == floats)
    ).fill_null(False)
    frame = stripped.to_frame().with_columns(
        scaled=pl.when(is_decimal).then(millionths).cast(pl.Int64),
        odd=text.is_not_null() & ~is_decimal,
    )
    odd = frame.filter("odd")["text"].unique()
    if odd.len() == 0:
        no = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
        return NumberColumn(frame["scaled"], no.cast(pl.Int8), no, no, no)
    one_by_one = pl.DataFrame(
        [(written, *_scale(written, read)) for written in odd],
        schema={
            "text": pl.String,
            "number": pl.Int64,
            "comparator": pl.Int8,
            "unreadable": pl.Boolean,
            "unscaled": pl.Boolean,
            "noise": pl.Boolean,
        },
        orient="row",
    )
    joined = frame.join(one_by_one, on="text", how="left", maintain_order="left")
    return NumberColumn(
        joined["scaled"].fill_null(joined["number"]),
        joined["comparator"].fill_null(0),
        joined["unreadable"].fill_null(False),
        joined["unscaled"].fill_null(False),
        joined["noise"].fill_null(False),
    )


def _scale(text: str, read: Callable[[str], Reported]) -> tuple[int | None, int, bool, bool, bool]:
    """Return the fields of ``NumberColumn`` for one text."""
    try:
        reported = read(text)
    except ParseError:
        return None, 0, True, False, False
    number = without_noise(reported.number)
    numerator, denominator = (number * SCALE).as_integer_ratio()
    fits = denominator == 1 and numerator < 10**15
    comparator = COMPARATORS.index(reported.comparator)
    scaled = numerator if fits else None
    return scaled, comparator, False, not fits, number != reported.number


def read_values(texts: pl.Series) -> pl.DataFrame:
    """Parse a String column of values as ``read_column`` does, with ``blank`` (no text) as well."""
    read = read_column(texts, read_value)
    return pl.DataFrame(
        {
            "value": read.scaled,
            "comparator": read.comparator,
            "unreadable": read.unreadable,
            "unscaled": read.unscaled,
            "noise": read.noise,
            "blank": texts.str.strip_chars(WHITE_SPACE) == "",
        }
    )


def read_dates(texts: pl.Series) -> pl.DataFrame:
    """Parse a String column exactly as ``read_collected`` parses each text.

    Returns ``first`` and ``last`` (Date), ``time`` (Time), null where absent or unreadable, and
    ``unreadable_date`` (Boolean). Null and blank texts are absent, not unreadable. Dates and
    date-times, which are most rows, are parsed by column; partial and unreadable texts are few and
    recur: ``read_collected`` parses each once.
    """
    frame = texts.str.strip_chars(WHITE_SPACE).replace("", None).alias("text").to_frame()
    text = pl.col("text")
    day = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    frame = frame.with_columns(first=pl.when(text.str.contains(FULL_DATE)).then(day))
    timed = frame.select((pl.col("first").is_not_null() & (text.str.len_bytes() > 10)).any()).item()
    at = pl.when(pl.col("first").is_not_null()).then(_time_of_day(text)) if timed else pl.lit(None)
    frame = frame.with_columns(last="first", time=at.cast(pl.Time))
    odd = frame.filter(text.is_not_null() & pl.col("first").is_null())["text"].unique()
    if len(odd):
        schema = {"text": pl.String, "first": pl.Date, "last": pl.Date}
        read = pl.DataFrame([_read(written) for written in odd], schema=schema, orient="row")
        frame = frame.join(read, on="text", how="left", maintain_order="left", suffix="_odd")
        frame = frame.with_columns(
            pl.col(name).fill_null(pl.col(f"{name}_odd")) for name in ("first", "last")
        )
    return frame.select(
        "first", "last", "time", unreadable_date=text.is_not_null() & pl.col("first").is_null()
    )


def _time_of_day(text: pl.Expr) -> pl.Expr:
    """Return nanoseconds since midnight of a ``FULL_DATE`` text; null if it has no minutes."""

    def number(start: int) -> pl.Expr:
        return text.str.slice(start, 2).cast(pl.Int64, strict=False)

    has_minute, has_second = text.str.slice(13, 1) == ":", text.str.slice(16, 1) == ":"
    second = pl.when(has_second).then(number(17)).otherwise(0)
    fraction = text.str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64)
    seconds = (number(11) * 60 + number(14)) * 60 + second
    return pl.when(has_minute).then((seconds * 1_000_000 + fraction.fill_null(0)) * 1000)


def _read(text: str) -> tuple[str, date | None, date | None]:
    """Return a text with the first and last day that it may mean; no days if it is unreadable."""
    try:
        collected = read_collected(text)
    except ParseError:
        return text, None, None
    return text, collected.first, collected.last
