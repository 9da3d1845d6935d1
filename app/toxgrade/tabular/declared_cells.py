"""Cells as declared: null markers, decimal sign, dates, ranges, and signs in another column."""

from collections.abc import Mapping

import polars as pl

from toxgrade.errors import ParseError
from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.grading.reference_ranges import read_range
from toxgrade.tabular.date_forms import iso_date
from toxgrade.tabular.decorated_values import cleaned
from toxgrade.tabular.mapping import COMPARATOR, DAY, RANGE
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import CLEANED

_NOTHING = pl.lit(None, dtype=pl.String)
SIGNS_SWAPPED = ([".", ","], [",", "."])
"""Swapped at once, so that 1.234 becomes unreadable, not a number a thousand times too small."""
SIGNS = {
    **dict.fromkeys(("", "=", "eq", "4172703"), ""),
    **dict.fromkeys(("<", "lt", "4171756"), "<"),
    **dict.fromkeys(("<=", "=<", "≤", "le", "4171754"), "<="),
    **dict.fromkeys((">", "gt", "4172704"), ">"),
    **dict.fromkeys((">=", "=>", "≥", "ge", "4171755"), ">="),
}  # fmt: skip
"""Comparators as exports write them; the numbers are OMOP's concepts of operators, which become
4171756.0 where software had the column as floats."""


def as_declared(ours: Mapping[str, pl.Expr], options: ReadOptions) -> dict[str, pl.Expr]:
    """Return our columns with the declared null markers, decimal sign and forms of dates applied.

    A comparator of its own column becomes part of the value, a range both limits, and a study day a
    date. With a declared cleaning ``CLEANED`` are the values that it changed, as they were.
    """
    applied = dict(ours)
    for name, column in ours.items():
        if options.nulls and name not in ("patient", "analyte"):
            column = column.cast(pl.String).replace(list(options.nulls), None)
        if options.decimal == "," and name in ("value", "lln", "uln", RANGE):
            column = column.cast(pl.String).str.replace_many(*SIGNS_SWAPPED)
        if options.dates and name in ("collected", "rt_start", "rt_end"):
            column = iso_date(column, options.dates, options.century)
        applied[name] = column
    if options.strip and "value" in applied:
        written = applied["value"].cast(pl.String)
        applied["value"] = cleaned(written, applied.get("unit", pl.lit("")))
        changed = applied["value"] != written.str.strip_chars(WHITE_SPACE)
        applied[CLEANED] = pl.when(changed).then(written)
    comparator = applied.pop(COMPARATOR, None)
    if comparator is not None and "value" in applied:
        applied["value"] = _with_comparator(applied["value"], comparator)
    if RANGE in applied:
        applied |= _limits(applied, applied.pop(RANGE))
    if DAY in applied:
        applied["collected"] = _dates_of_days(applied, applied.pop(DAY))
    return applied


def _limits(applied: Mapping[str, pl.Expr], printed: pl.Expr) -> dict[str, pl.Expr]:
    """Return the limits of printed ranges, where no other limit is told: one range is of one kind.

    A text that is no range becomes a limit that cannot be read, and is told as such.
    """
    names = ("lln", "uln", "limit_unit")
    given = {n: applied.get(n, _NOTHING).cast(pl.String).str.strip_chars() for n in names}
    is_told = (given["lln"].fill_null("") != "") | (given["uln"].fill_null("") != "")
    kind = pl.Struct(dict.fromkeys(names, pl.String))
    # Beside numbers of the rows, so that one text for all of them has their height, too.
    rows = pl.struct(printed.cast(pl.String).alias("range"), pl.int_range(pl.len()).alias("row"))
    read = rows.map_batches(lambda s: _read_ranges(s.struct.field("range")), return_dtype=kind)
    return {n: pl.when(is_told).then(given[n]).otherwise(read.struct.field(n)) for n in names}


def _read_ranges(texts: pl.Series) -> pl.Series:
    """Return the limits and their unit in each text; a file has few different ones."""
    different = texts.unique().drop_nulls().to_list()
    read = [_read_range(text) for text in different]
    kind = pl.Struct(dict.fromkeys(("lln", "uln", "limit_unit"), pl.String))
    return texts.replace_strict(
        pl.Series(different, dtype=pl.String), pl.Series(read, dtype=kind), default=None
    )


def _read_range(text: str) -> dict[str, str | None]:
    try:
        found = read_range(text)
    except ParseError:
        return {"lln": None, "uln": text, "limit_unit": None}
    return {
        "lln": to_plain_text(found.lln), "uln": to_plain_text(found.uln), "limit_unit": found.unit,
    }  # fmt: skip


def _dates_of_days(applied: Mapping[str, pl.Expr], day: pl.Expr) -> pl.Expr:
    """Return dates, and where there is none that of the study day: 1 is ``rt_start``, -1 the day
    before. Another text than a whole number other than 0 is a date that cannot be read.
    """
    text = day.cast(pl.String).str.strip_chars(WHITE_SPACE).replace("", None)
    number = text.str.extract(r"^([+-]?[0-9]{1,5})(?:\.0*)?$").cast(pl.Int32, strict=False)
    start = applied["rt_start"].cast(pl.String).str.slice(0, 10).str.to_date(strict=False)
    days = pl.when(number > 0).then(number - 1).when(number < 0).then(number)
    found = (start + pl.duration(days=days)).dt.strftime("%Y-%m-%d").fill_null(text)
    written = applied.get("collected", _NOTHING).cast(pl.String).str.strip_chars(WHITE_SPACE)
    return written.replace("", None).fill_null(found)


def _with_comparator(value: pl.Expr, comparator: pl.Expr) -> pl.Expr:
    """Return values with the sign of a column of its own before them.

    A sign that is not known, or not that of the value itself, makes the value unreadable: a code 9
    before 5 would otherwise be 95, and SAS's empty cell ``.`` before it 0.5.
    """
    text, written = value.cast(pl.String).str.strip_chars(), comparator.cast(pl.String)
    written = written.str.strip_chars().str.strip_suffix(".0").str.to_lowercase().fill_null("")
    sign = written.replace_strict(SIGNS, default="?")  # What follows "?" is no number.
    own = text.str.extract("^([<>=≤≥]+)").replace(["≤", "≥"], ["<=", ">="]).fill_null("")
    return pl.when(sign == own).then(text).otherwise(sign + text)
