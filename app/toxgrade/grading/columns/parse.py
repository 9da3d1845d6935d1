"""Parsers for columns of numbers and dates, exactly as ``grading/parse.py`` parses each text."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from toxgrade.errors import ParseError
from toxgrade.grading.digits import without_noise
from toxgrade.grading.parse import FULL_DATE, WHITE_SPACE, read_collected, read_limit

SCALE = 2_000_000
"""Columns hold numbers as integers of half millionths. Laboratories report at most five decimals:
such numbers are even. A number of more decimals lies between two even ones and is held as the odd
one between them; ``limits.in_doubt`` tells where that is not enough to compare it."""

_PLAIN_DIGITS = 15  # A 64-bit float identifies any decimal of 15 digits.
_MILLION, _MOST_MILLIONTHS = 10**6, 10**15
_MOST_DIGITS, _LEAST_POWER = 30, -14  # Beyond these ``read_limit`` may refuse a number.
_POWERS = pl.Series([10**power for power in range(19)], dtype=pl.Int64)
COMPARATORS = ("", "<", "<=", ">", ">=")
_SIGNED = r"^([<>]=?)[ \t]*([0-9.])"
_NUMBER = r"^([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_EXPONENT = r"[eE]\+?(-?[0-9]{1,3})$"


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A parsed column of numbers; every Series is as long as the column.

    ``scaled``: Int64 in ``SCALE``, null where absent, unreadable or ``unscaled``. ``unreadable``:
    Boolean. ``unscaled``: Boolean, a number that is too large for the scale and goes to the plain
    grader. ``noise``: Boolean, a number of more than 15 significant digits, which is read to 15.
    """

    scaled: pl.Series
    unreadable: pl.Series
    unscaled: pl.Series
    noise: pl.Series


_FIELDS = {"scaled": pl.Int64, **dict.fromkeys(("unreadable", "unscaled", "noise"), pl.Boolean)}


def read_column(texts: pl.Series) -> NumberColumn:
    """Parse a String column exactly as ``read_limit`` parses each text, mostly without Python.

    Texts that are no number, or one of 1e9 and more, are few and recur: each is parsed once.
    """
    stripped = texts.str.strip_chars(WHITE_SPACE).replace("", None).alias("text")
    scaled = stripped.to_frame().select(_by_floats()).to_series()
    no = pl.repeat(False, len(texts), dtype=pl.Boolean, eager=True)
    places = (stripped.is_not_null() & scaled.is_null()).arg_true()
    if not len(places):
        return NumberColumn(scaled, no, no, no)
    read = _by_digits(stripped.gather(places))
    odd = read.filter(pl.col("scaled").is_null())["text"].unique()
    if len(odd):
        parsed = [(text, *_one_by_one(text)) for text in odd]
        each = pl.DataFrame(parsed, schema={"text": pl.String, **_FIELDS}, orient="row")
        read = read.join(each, on="text", how="left", maintain_order="left", suffix="_odd")
        read = read.select(pl.coalesce(f"{name}_odd", name).alias(name) for name in _FIELDS)
    return NumberColumn(
        scaled.scatter(places, read["scaled"]),
        *(no.clone().scatter(places, read[name]) for name in ("unreadable", "unscaled", "noise")),
    )


def _by_floats() -> pl.Expr:
    """Return the scaled number of a text of at most 15 characters, digits and a point; else null.

    Its float times a million is off by less than 0.23e-15 of it. A decimal of 15 digits that is no
    whole number of millionths is 1e-15 of itself or more away from one, on the side that it is on.
    """
    text = pl.col("text")
    product = text.cast(pl.Float64, strict=False) * 1e6
    nearest = product.round()
    is_whole = (product - nearest).abs() <= product * 5e-16
    scaled = pl.when(is_whole).then(nearest * 2).otherwise(product.floor() * 2 + 1)
    is_plain = (
        (text.str.len_bytes() <= _PLAIN_DIGITS)
        & (text.str.strip_chars("0123456789.") == "")
        & (nearest < _MOST_MILLIONTHS)
    )
    return pl.when(is_plain).then(scaled).cast(pl.Int64).alias("scaled")


def _by_digits(texts: pl.Series) -> pl.DataFrame:
    """Return texts with the fields of ``NumberColumn``; ``scaled`` null where it takes more.

    They are numbers of up to 30 digits, which may have an exponent. To 15 digits they are rounded
    half to even, as by ``without_noise``.
    """
    number = pl.col("text").str.extract(_NUMBER)
    decimals = number.str.len_bytes().cast(pl.Int64) - number.str.find(".", literal=True) - 1
    exponent = pl.col("text").str.extract(_EXPONENT).cast(pl.Int64).fill_null(0)
    read = texts.to_frame().with_columns(
        digits=number.str.replace(".", "", literal=True).str.strip_chars_start("0"),
        last=exponent - decimals.fill_null(0),  # The power of ten of the last digit.
    )
    digits, count = pl.col("digits"), pl.col("digits").str.len_bytes().cast(pl.Int64)
    first = digits.str.head(_PLAIN_DIGITS).cast(pl.Int64, strict=False).fill_null(0)
    rest = digits.str.slice(_PLAIN_DIGITS).str.strip_chars_end("0")
    up = (rest > "5") | ((rest == "5") & (first % 2 == 1))
    read = read.with_columns(
        mantissa=first + up.cast(pl.Int64),
        power=pl.col("last") + (count - _PLAIN_DIGITS).clip(0) + 6,
        certain=(count <= _MOST_DIGITS)
        & ((count == 0) | (count - 1 + pl.col("last") >= _LEAST_POWER)),
        noise=(rest != "").fill_null(False),
    )
    power = read["power"].fill_null(0)
    times, parts = (_POWERS.gather(p.clip(0, 18).cast(pl.UInt32)) for p in (power, -power))
    whole, fits = pl.col("mantissa") // parts, pl.col("mantissa") / parts * times < _MOST_MILLIONTHS
    scaled = whole * times * 2 + (whole * parts != pl.col("mantissa")).cast(pl.Int64)
    return read.select(
        "text",
        pl.when(pl.col("certain") & fits).then(scaled).alias("scaled"),
        pl.lit(False).alias("unreadable"),
        pl.lit(False).alias("unscaled"),
        "noise",
    )


def _one_by_one(text: str) -> tuple[int | None, bool, bool, bool]:
    """Return the fields of ``NumberColumn`` for one text."""
    try:
        reported = read_limit(text)
    except ParseError:
        return None, True, False, False
    number = without_noise(reported.number)
    numerator, denominator = (number * _MILLION).as_integer_ratio()
    whole, rest = divmod(numerator, denominator)
    fits = whole < _MOST_MILLIONTHS
    return 2 * whole + (rest > 0) if fits else None, False, not fits, number != reported.number


def read_values(texts: pl.Series) -> pl.DataFrame:
    """Parse a String column of values exactly as ``read_value`` parses each text.

    Returns ``value`` and the other fields of ``NumberColumn``, ``comparator`` (Int8, an index of
    ``COMPARATORS``) and ``blank`` (no text).
    """
    stripped = texts.str.strip_chars(WHITE_SPACE).alias("text")
    split = stripped.to_frame().select(
        number=pl.col("text").str.replace(_SIGNED, "${2}"),
        comparator=pl.col("text").str.extract(_SIGNED).replace_strict(
            COMPARATORS, range(len(COMPARATORS)), default=0, return_dtype=pl.Int8
        ),
    )  # fmt: skip
    read = read_column(split["number"])
    return pl.DataFrame(
        {
            "value": read.scaled,
            "comparator": split["comparator"],
            "unreadable": read.unreadable,
            "unscaled": read.unscaled,
            "noise": read.noise,
            "blank": stripped == "",
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
