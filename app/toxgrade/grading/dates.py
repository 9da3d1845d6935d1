"""Dates as laboratories write them: read from a text, or from a column.

The calendar date as written, in the writer's own offset, decides; it is never converted. The offset
is not kept: times of one day are ordered as written.
"""

import calendar
import re
from datetime import date, time
from functools import lru_cache

import polars as pl

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
_FULL_DATE = f"^{_YEAR}-{_MONTH}-{_DAY}(?:[T ]{_TIME})?$"
_WHITE_SPACE = " \t\r\n"


@lru_cache(20_000)  # about 5 MB: a file has few dates
def read_collected(text: str) -> Collected:
    """Read a date, date-time or partial date, with white space around it or none.

    The time of day is kept to the microsecond; an hour alone (``T14``) gives none.

    Raises:
        ReadingError: ``unreadable-date``; the message says what is accepted.
    """
    written = text.strip(_WHITE_SPACE)
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


def collected_columns(texts: pl.Series) -> list[pl.Series]:
    """Read a String column exactly as ``read_collected`` reads each text.

    Returns ``first`` and ``last`` (Date), ``time`` (Time), null where absent or unreadable, and
    ``unreadable_date`` (Boolean). Null and blank texts are absent: not unreadable. Dates and
    date-times, the millions, are read by column; partial and unreadable texts are few and repeat:
    each is read once, by the plain reader.
    """
    frame = texts.str.strip_chars(_WHITE_SPACE).replace("", None).alias("text").to_frame()
    text = pl.col("text")
    day = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    frame = frame.with_columns(first=pl.when(text.str.contains(_FULL_DATE)).then(day))
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
    unreadable = frame.select(text.is_not_null() & pl.col("first").is_null()).to_series()
    return [frame["first"], frame["last"], frame["time"], unreadable.alias("unreadable_date")]


def _time_of_day(text: pl.Expr) -> pl.Expr:
    """Nanoseconds since midnight of a text that ``_FULL_DATE`` matches; null without minutes."""

    def number(start: int) -> pl.Expr:
        return text.str.slice(start, 2).cast(pl.Int64, strict=False)

    has_minute, has_second = text.str.slice(13, 1) == ":", text.str.slice(16, 1) == ":"
    second = pl.when(has_second).then(number(17)).otherwise(0)
    fraction = text.str.extract(r"\.([0-9]{1,6})").str.pad_end(6, "0").cast(pl.Int64)
    seconds = (number(11) * 60 + number(14)) * 60 + second
    return pl.when(has_minute).then((seconds * 1_000_000 + fraction.fill_null(0)) * 1000)


def _read(text: str) -> tuple[str, date | None, date | None]:
    """A text that is no full date, with the days it may mean: none if it is unreadable."""
    try:
        collected = read_collected(text)
    except ReadingError:
        return text, None, None
    return text, collected.first, collected.last
