"""A column of dates, read exactly as ``grading/dates.py`` reads each text."""

from datetime import date

import polars as pl

from toxgrade.errors import ReadingError
from toxgrade.grading.dates import FULL_DATE, WHITE_SPACE, read_collected


def read_dates(texts: pl.Series) -> pl.DataFrame:
    """Read a String column exactly as ``read_collected`` reads each text.

    Returns ``first`` and ``last`` (Date), ``time`` (Time), null where absent or unreadable, and
    ``unreadable_date`` (Boolean). Null and blank texts are absent: not unreadable. Dates and
    date-times, the millions, are read by column; partial and unreadable texts are few and repeat:
    each is read once, by the plain reader.
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
    """Nanoseconds since midnight of a text that ``FULL_DATE`` matches; null without minutes."""

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
