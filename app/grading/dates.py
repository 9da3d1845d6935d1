"""Dates as laboratories write them: read from a text, or from a column.

The calendar date as written, in the writer's own offset, decides; it is never converted.
"""

import calendar
import re
from datetime import date, time

import polars as pl

from app.errors import ReadingError
from app.grading.result import Collected

ACCEPTED_DATE = (
    "a date YYYY-MM-DD, a date-time such as 2011-04-23T14:45+02:00, or a partial date YYYY-MM or"
    " YYYY, in the years 1900 to 2199"
)
FIRST_YEAR, LAST_YEAR = 1900, 2199

_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_TIME = r"([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?"
_COLLECTED = re.compile(
    rf"([0-9]{{4}})(?:-([0-9]{{2}})(?:-([0-9]{{2}})(?:[T ]{_TIME}{_OFFSET}?)?)?)?"
)
_WHITE_SPACE = " \t\r\n"


def read_collected(text: str) -> Collected:
    """Read a date, date-time or partial date; an hour alone (``T14``) gives no time of day.

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
        at = None
        if hour is not None:
            at = time(
                int(hour),
                int(minute or 0),
                int(second or 0),
                int((fraction or "")[:6].ljust(6, "0")),
            )
    except ValueError:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_DATE}") from None
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        raise ReadingError("unreadable-date", f"expected {ACCEPTED_DATE}")
    return Collected(written, first, _last(first, month, day), at if minute is not None else None)


def _last(first: date, month: str | None, day: str | None) -> date:
    """The last day that a partial date may mean."""
    if day is not None:
        return first
    last_month = first.month if month is not None else 12
    return date(first.year, last_month, calendar.monthrange(first.year, last_month)[1])


def collected_columns(texts: pl.Series) -> list[pl.Series]:
    """Read a String column exactly as ``read_collected`` reads each text.

    Returns ``first`` and ``last`` (Date), ``time`` (Time), null where absent or unreadable, and
    ``unreadable_date`` (Boolean). Full dates, the millions, are read by column; date-times too,
    but for their time of day; partial and unreadable texts are few and repeat: each is read once.
    """
    frame = texts.str.strip_chars(_WHITE_SPACE).replace("", None).alias("text").to_frame()
    text, day = pl.col("text"), pl.col("text").str.head(10)
    plain_day = day.str.contains(r"^(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")
    frame = frame.with_columns(
        first=pl.when(plain_day & (text.str.len_bytes() == 10)).then(
            day.str.to_date("%Y-%m-%d", strict=False)
        )
    ).with_columns(last="first", time=pl.lit(None, dtype=pl.Time))
    odd = frame.filter(text.is_not_null() & pl.col("first").is_null())["text"].unique()
    if len(odd):
        schema = {"text": pl.String, "first": pl.Date, "last": pl.Date, "time": pl.Time}
        read = pl.DataFrame([_read(written) for written in odd], schema=schema, orient="row")
        frame = frame.join(read, on="text", how="left", maintain_order="left", suffix="_odd")
        frame = frame.with_columns(
            pl.col(name).fill_null(pl.col(f"{name}_odd")) for name in ("first", "last", "time")
        )
    unreadable = frame.select(text.is_not_null() & pl.col("first").is_null()).to_series()
    return [frame["first"], frame["last"], frame["time"], unreadable.alias("unreadable_date")]


def _read(text: str) -> tuple[str, date | None, date | None, time | None]:
    try:
        collected = read_collected(text)
    except ReadingError:
        return text, None, None, None
    return text, collected.first, collected.last, collected.time
