"""Cells as declared: null markers, decimal sign, dates, and signs in a column of their own."""

from collections.abc import Mapping

import polars as pl

from toxgrade.tabular.mapping import COMPARATOR
from toxgrade.tabular.read_options import ReadOptions

SIGNS_SWAPPED = ([".", ","], [",", "."])
"""Swapped at once, so that 1.234 becomes unreadable, not a number a thousand times too small."""
_SIGNS = {
    **dict.fromkeys(("", "=", "eq", "4172703"), ""),
    **dict.fromkeys(("<", "lt", "4171756"), "<"),
    **dict.fromkeys(("<=", "=<", "≤", "le", "4171754"), "<="),
    **dict.fromkeys((">", "gt", "4172704"), ">"),
    **dict.fromkeys((">=", "=>", "≥", "ge", "4171755"), ">="),
}  # fmt: skip
"""Comparators as exports write them; the numbers are OMOP's concepts of operators, which become
4171756.0 where software had the column as floats."""


def as_declared(ours: Mapping[str, pl.Expr], options: ReadOptions) -> dict[str, pl.Expr]:
    """Return our columns with the declared null markers, decimal sign and date format applied.

    A comparator of its own column becomes part of the value.
    """
    applied = dict(ours)
    for name, column in ours.items():
        if options.nulls and name not in ("patient", "analyte"):
            column = column.cast(pl.String).replace(list(options.nulls), None)
        if options.decimal == "," and name in ("value", "lln", "uln"):
            column = column.cast(pl.String).str.replace_many(*SIGNS_SWAPPED)
        if options.dates and name in ("collected", "rt_start", "rt_end"):
            column = iso_date(column, options.dates)
        applied[name] = column
    comparator = applied.pop(COMPARATOR, None)
    if comparator is not None and "value" in applied:
        applied["value"] = _with_comparator(applied["value"], comparator)
    return applied


def iso_date(column: pl.Expr, declared: str) -> pl.Expr:
    """Return dates in the declared strptime format as ISO 8601; other texts are unchanged."""
    column = column.cast(pl.String)
    if "%M" in declared:
        dates = column.str.to_datetime(declared, strict=False).dt.strftime("%Y-%m-%dT%H:%M:%S")
    else:
        dates = column.str.to_date(declared, strict=False).dt.strftime("%Y-%m-%d")
    return dates.fill_null(column)


def _with_comparator(value: pl.Expr, comparator: pl.Expr) -> pl.Expr:
    """Return values with the sign of a column of its own before them.

    A sign that is not known, or not that of the value itself, makes the value unreadable: a code 9
    before 5 would otherwise be 95, and SAS's empty cell ``.`` before it 0.5.
    """
    text, written = value.cast(pl.String).str.strip_chars(), comparator.cast(pl.String)
    written = written.str.strip_chars().str.strip_suffix(".0").str.to_lowercase().fill_null("")
    sign = written.replace_strict(_SIGNS, default="?")  # What follows "?" is no number.
    own = text.str.extract("^([<>=]+)").fill_null("")
    return pl.when(sign == own).then(text).otherwise(sign + text)
