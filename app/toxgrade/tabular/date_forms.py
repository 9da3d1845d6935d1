"""Forms of dates that a file may have beside ISO 8601: as a caller declares them, and read.

A form is strptime's (``%d.%m.%Y``, ``%d.%m.%Y %H:%M``, ``%m/%d/%y``), ``excel`` (days since 30
December 1899, as a spreadsheet shows a date whose format was lost) or ``sas`` (days since 1960).
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from toxgrade.errors import ParseError

if TYPE_CHECKING:
    import polars as pl

SERIALS = {"excel": date(1899, 12, 30), "sas": date(1960, 1, 1)}
_SERIAL = r"^[0-9]{5,6}(?:\.[0-9]+)?$"
"""Serials of fewer digits could be years: 2011."""
_TIMES = {"%H", "%I", "%M", "%S", "%p"}
_LEAST_YEAR = 1000  # Of a year of two digits that was read as one of four.
_SECONDS = 86_400
ACCEPTED = (
    "expected %Y, %m (or %y, %b, %B) and %d, as %d.%m.%Y, and no time or %H:%M or %I:%M %p;"
    f" or {' or '.join(SERIALS)}"
)


def parse_dates(given: str) -> str:
    """Return a form of dates; raise ``ParseError`` if it is none."""
    codes = set(re.findall("%.?", given))
    day, time = codes - _TIMES, codes & _TIMES
    years = day & {"%Y", "%y"}
    is_day = len(years) == 1 and "%d" in day and day - years - {"%d"} in ({"%m"}, {"%b"}, {"%B"})
    is_form = is_day and (not time or time - {"%S"} in ({"%H", "%M"}, {"%I", "%M", "%p"}))
    if given not in SERIALS and not is_form:
        raise ParseError("date-format", ACCEPTED)
    return given


def parse_century(given: str) -> int:
    """Return the first year of a hundred; raise ``ParseError`` if it is none."""
    if not re.fullmatch("1[89][0-9]{2}|2[0-2][0-9]{2}", given):
        raise ParseError("century", "expected the first of the hundred years, as 1950")
    return int(given)


def check_forms(forms: Sequence[str], century: int | None) -> None:
    """Check that no text has two meanings: no two forms differ only in the order of day and month,
    and years of two digits have a century.

    Raises:
        ParseError: the message says what is to be declared.
    """
    if century is None and any("%y" in form for form in forms):
        text = "years of two digits need --century, the first of the hundred years, as 1950"
        raise ParseError("date-century", text)
    looks = [re.sub("%[dmYy]", "#", form) for form in dict.fromkeys(forms)]
    looks = ["serial" if look in SERIALS else look for look in looks]
    if len(set(looks)) < len(looks):
        looks_years = [re.sub("%[dm]", "#", form) for form in dict.fromkeys(forms)]
        if len(set(looks_years)) < len(looks_years) or looks.count("serial") > 1:
            text = "two forms read one text as different days; declare the one that holds"
            raise ParseError("date-ambiguous", text)


def iso_date(column: "pl.Expr", forms: Sequence[str], century: int | None = None) -> "pl.Expr":
    """Return dates of the declared forms as ISO 8601; other texts are unchanged."""
    import polars as pl  # noqa: PLC0415 - the command line's `--help` does without it

    column = column.cast(pl.String)
    return pl.coalesce(*(_read(column, form, century) for form in forms), column)


def _read(column: "pl.Expr", form: str, century: int | None) -> "pl.Expr":
    import polars as pl  # noqa: PLC0415

    if form in SERIALS:
        return _of_serial(column, SERIALS[form])
    if "%M" in form:
        read, iso = column.str.to_datetime(form, strict=False), "%Y-%m-%dT%H:%M:%S"
    else:
        read, iso = column.str.to_date(form, strict=False), "%Y-%m-%d"
    if "%y" not in form or century is None:
        return pl.when(read.dt.year() >= _LEAST_YEAR).then(read.dt.strftime(iso))
    year = (read.dt.year().cast(pl.Int32) - century) % 100 + century
    return year.cast(pl.String) + read.dt.strftime(iso).str.slice(4)


def _of_serial(column: "pl.Expr", start: date) -> "pl.Expr":
    import polars as pl  # noqa: PLC0415

    days = pl.when(column.str.contains(_SERIAL)).then(column).cast(pl.Float64, strict=False)
    seconds = (days * _SECONDS).round().cast(pl.Int64)
    at = pl.lit(start).cast(pl.Datetime("us")) + pl.duration(seconds=seconds)
    is_day = seconds % _SECONDS == 0
    return (
        pl.when(is_day)
        .then(at.dt.strftime("%Y-%m-%d"))
        .otherwise(at.dt.strftime("%Y-%m-%dT%H:%M:%S"))
    )
