"""Placement in time by column: ``grading/phase.py`` for a frame with one course per row."""

from typing import get_args

import polars as pl

from toxgrade.grading.phase import Window
from toxgrade.grading.result import Phase

PHASE_TYPE = pl.Enum(get_args(Phase))


def last_acute_days(window: Window) -> pl.Expr:
    """Return the last acute day by ``rt_start`` and ``rt_end``, which each patient needs once.

    Where the anchor is missing the other date stands in, as it bounds the last acute day.
    """
    order = ("rt_start", "rt_end") if window.anchor == "start" else ("rt_end", "rt_start")
    length = f"{window.months}mo" if window.days is None else f"{window.days}d"
    return pl.coalesce(order).dt.offset_by(length)


def place_columns(
    window: Window, until: pl.Expr | None = None, *, partial: bool = True
) -> list[pl.Expr]:
    """Return ``place`` as expressions, for a frame with one course per row.

    They read ``first``, ``last``, ``rt_start``, ``rt_end`` (Date) and ``ongoing`` (Boolean, null:
    no) and give ``phase`` (Enum), ``on_treatment`` (Boolean), ``days_from_end`` (Int32) and
    ``no_radiotherapy_end`` (Boolean), with the meanings and nulls of ``Placement``.

    ``until`` is ``last_acute_days`` if the frame has it as a column. ``partial`` False: no date is
    partial (``first`` is ``last``), which halves the work.
    """
    first, last = pl.col("first"), pl.col("last")
    until = last_acute_days(window) if until is None else until
    phase, treated = _phases(first, window, until), _treated(first)
    agrees = pl.lit(True)
    if partial:
        agrees = phase.eq_missing(_phases(last, window, until))
        treated = pl.when(agrees & (treated == _treated(last))).then(treated)
    unknown = phase.is_null() & agrees & first.is_not_null() & pl.col("rt_start").is_not_null()
    day = pl.when(first == last).then(first) if partial else first
    return [
        pl.when(agrees).then(phase).fill_null(phase_text("unknown")).alias("phase"),
        treated.alias("on_treatment"),
        (day - pl.col("rt_end")).dt.total_days().cast(pl.Int32).alias("days_from_end"),
        unknown.alias("no_radiotherapy_end"),
    ]


def possible_columns(window: Window, until: pl.Expr | None = None) -> list[pl.Expr]:
    """Return ``belongs`` of ``possible_places`` as expressions, with one valid course per row.

    They read what ``place_columns`` reads and give Booleans without nulls: ``may_be_acute``,
    ``may_be_late`` (the result is of that phase, or possibly) and ``after_start`` (it is acute or
    late for certain).
    """
    first, last = pl.col("first"), pl.col("last")
    start, end = pl.col("rt_start"), pl.col("rt_end")
    until = last_acute_days(window) if until is None else until
    undated, ongoing = first.is_null(), pl.col("ongoing").fill_null(False)
    # The last acute day is known, and not only bounded by the other date.
    known = (start if window.anchor == "start" else end).is_not_null()
    is_late = (first > until) & (known | (window.anchor == "start"))
    may_be_acute = (start < last).fill_null(True) & ~(known & (until <= start)).fill_null(False)
    never_late = ongoing & end.is_null() & start.is_not_null() & (window.anchor == "end")
    may_be_late = (last > until).fill_null(True) & ~never_late
    if window.anchor == "start":
        may_be_late |= ~known
    return [
        (undated | (may_be_acute & ~is_late.fill_null(False))).alias("may_be_acute"),
        (undated | may_be_late).alias("may_be_late"),
        (first > pl.coalesce(start, end)).fill_null(False).alias("after_start"),
    ]


def phase_text(phase: Phase) -> pl.Expr:
    """Return a phase as an expression (Enum)."""
    return pl.lit(phase, dtype=PHASE_TYPE)


def _phases(day: pl.Expr, window: Window, until: pl.Expr) -> pl.Expr:
    """Return ``_phase`` by column; null where unknown, as a comparison with null is never true."""
    start, end = pl.col("rt_start"), pl.col("rt_end")
    if window.anchor == "start":
        acute, late = (start < day) & (day <= until), day > until
    else:
        lasting = end.is_null() & pl.col("ongoing")
        acute = (pl.coalesce(start, end) < day) & (lasting | (day <= until))
        late = end.is_not_null() & (day > until)
    return (
        pl.when(day <= start)
        .then(phase_text("pre_treatment"))
        .when(acute)
        .then(phase_text("acute"))
        .when(late)
        .then(phase_text("late"))
    )


def _treated(day: pl.Expr) -> pl.Expr:
    """Return ``_on_treatment`` by column."""
    start, end = pl.col("rt_start"), pl.col("rt_end")
    return (
        pl.when((day <= start) | (day > end))
        .then(pl.lit(False))
        .when((start < day) & (end.is_not_null() | pl.col("ongoing")))
        .then(pl.lit(True))
    )
