"""Acute or late: where a result lies against the courses of radiotherapy.

Default, as the paper dates its toxicity: up to 3 calendar months after the end is acute, later is
late (doi 10.1177/0300060519892382). ``rtog90``: 90 days from the start (Cox 1995, IJROBP 31:1341).
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

from app.errors import FieldFault
from app.grading.result import Collected, Course, Flag, Phase


@dataclass(frozen=True, slots=True)
class Window:
    """How long toxicity counts as acute: ``months`` or ``days`` (one of them) after ``anchor``."""

    anchor: Literal["end", "start"]
    months: int | None = None
    days: int | None = None

    def last_acute_day(self, anchor: date) -> date:
        """The last day, included, that is acute: same day of month, clipped to the month's end."""
        if self.days is not None:
            return anchor + timedelta(days=self.days)
        return add_months(anchor, self.months or 0)

    def _last_acute_days(self, anchor: pl.Expr) -> pl.Expr:
        if self.days is not None:
            return anchor + pl.duration(days=self.days)
        return anchor.dt.offset_by(f"{self.months or 0}mo")


PRESETS = {
    "paper": Window("end", months=3),
    "rtog90": Window("start", days=90),
    "end90": Window("end", days=90),
}


def add_months(day: date, months: int) -> date:
    """The same day of the month, ``months`` later; 30 November + 3 is the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a result lies, before a baseline is chosen.

    ``course`` is the index of the course it belongs to, None without courses. ``on_treatment`` and
    ``days_from_end`` (negative before the end) are None where the dates do not say.
    """

    phase: Phase
    on_treatment: bool | None
    days_from_end: int | None
    course: int | None
    flags: tuple[Flag, ...] = ()


def place(collected: Collected | None, courses: Sequence[Course], window: Window) -> Placement:
    """Place a result against the latest course started on or before it (else the first).

    Up to and including the day of the start a result is ``pre_treatment``: on the first day of a
    second course it may be that course's baseline. A partial date has a phase only where its first
    and last possible day agree; phases follow each other, so the days between agree too.
    """
    if collected is None or not courses:
        return Placement("unknown", None, None, 0 if courses else None)
    first = _place_day(collected.first, courses, window)
    if collected.first == collected.last:
        return first
    last = _place_day(collected.last, courses, window)
    if (first.phase, first.course) != (last.phase, last.course):
        return Placement("unknown", None, None, first.course)
    agrees = first.on_treatment == last.on_treatment
    return Placement(
        first.phase, first.on_treatment if agrees else None, None, first.course, first.flags
    )


def _place_day(day: date, courses: Sequence[Course], window: Window) -> Placement:
    started = [i for i, course in enumerate(courses) if course.start and course.start <= day]
    index = started[-1] if started else 0
    course = courses[index]
    phase = _phase(day, course, window)
    no_end = course.end is None and not course.ongoing and course.start is not None
    flagged = phase == "unknown" and no_end and window.anchor == "end"
    return Placement(
        phase=phase,
        on_treatment=_on_treatment(day, course),
        days_from_end=(day - course.end).days if course.end else None,
        course=index,
        flags=(Flag.NO_RADIOTHERAPY_END,) if flagged else (),
    )


def _phase(day: date, course: Course, window: Window) -> Phase:
    if course.start is None:
        return _phase_without_start(day, course, window)
    if day <= course.start:
        return "pre_treatment"
    if window.anchor == "start" or course.end is None:
        if window.anchor == "end" and course.ongoing:
            return "acute"
        if day <= window.last_acute_day(course.start):
            return "acute"
        return "late" if window.anchor == "start" else "unknown"
    return "acute" if day <= window.last_acute_day(course.end) else "late"


def _phase_without_start(day: date, course: Course, window: Window) -> Phase:
    """The start is some day up to the end: only what holds for each such day is said."""
    if course.end is None or day <= course.end:
        return "unknown"
    if day > window.last_acute_day(course.end):
        return "late"
    return "acute" if window.anchor == "end" else "unknown"


def _on_treatment(day: date, course: Course) -> bool | None:
    if course.start is not None and day <= course.start:
        return False
    if course.end is not None and day > course.end:
        return False
    if course.start is not None and (course.end is not None or course.ongoing):
        return True
    return None


def course_faults(courses: Sequence[Course]) -> list[FieldFault]:
    """What is wrong with a patient's courses, each with its place; empty if nothing."""
    faults = [
        FieldFault((i, "end"), "end-before-start", "the end is before the start of radiotherapy")
        for i, course in enumerate(courses)
        if course.start and course.end and course.end < course.start
    ]
    faults += [
        FieldFault((i, "status"), "ended-and-ongoing", "a course in progress has no end yet")
        for i, course in enumerate(courses)
        if course.end and course.ongoing
    ]
    starts = [course.start for course in courses]
    for i, (earlier, later) in enumerate(zip(starts, starts[1:], strict=False), 1):
        if earlier is None or later is None:
            text = "each of several courses needs a start"
            faults.append(FieldFault((i, "start"), "missing-start", text))
        elif later <= earlier:
            text = "courses are listed by start, each later than the one before"
            faults.append(FieldFault((i, "start"), "courses-out-of-order", text))
    return faults


def place_columns(window: Window) -> list[pl.Expr]:
    """``place`` for a frame with one course per row.

    Reads ``first``, ``last``, ``rt_start``, ``rt_end`` (Date) and ``ongoing`` (Boolean). Gives
    ``phase`` (String), ``on_treatment`` (Boolean), ``days_from_end`` (Int32) and
    ``no_radiotherapy_end`` (Boolean), with the meanings and nulls of ``Placement``.
    """
    first, last = _phases(pl.col("first"), window), _phases(pl.col("last"), window)
    phase = pl.when(first == last).then(first).otherwise(pl.lit("unknown"))
    treated_first, treated_last = _treated(pl.col("first")), _treated(pl.col("last"))
    one_day = pl.col("first") == pl.col("last")
    agrees = one_day | ((first == last) & (treated_first == treated_last))
    start, end = pl.col("rt_start"), pl.col("rt_end")
    no_end = start.is_not_null() & end.is_null() & ~pl.col("ongoing")
    flagged = pl.lit(window.anchor == "end") & no_end & (first == "unknown") & (last == "unknown")
    return [
        phase.fill_null("unknown").alias("phase"),
        pl.when(agrees).then(treated_first).alias("on_treatment"),
        pl.when(one_day)
        .then((pl.col("first") - end).dt.total_days())
        .cast(pl.Int32)
        .alias("days_from_end"),
        flagged.fill_null(False).alias("no_radiotherapy_end"),
    ]


def _phases(day: pl.Expr, window: Window) -> pl.Expr:
    """``_phase`` by column."""
    start, end = pl.col("rt_start"), pl.col("rt_end")
    ended = (
        pl.when(day <= window._last_acute_days(end)).then(pl.lit("acute")).otherwise(pl.lit("late"))
    )
    after = pl.lit("late" if window.anchor == "start" else "unknown")
    from_start = (
        pl.when(day <= window._last_acute_days(start)).then(pl.lit("acute")).otherwise(after)
    )
    by_end = pl.lit(window.anchor == "end")
    without_start = (
        pl.when(end.is_null() | (day <= end))
        .then(pl.lit("unknown"))
        .when(by_end | (day > window._last_acute_days(end)))
        .then(ended)
        .otherwise(pl.lit("unknown"))
    )
    return (
        pl.when(day.is_null())
        .then(pl.lit("unknown"))
        .when(start.is_null())
        .then(without_start)
        .when(day <= start)
        .then(pl.lit("pre_treatment"))
        .when(by_end & end.is_null() & pl.col("ongoing"))
        .then(pl.lit("acute"))
        .when(end.is_null() | ~by_end)
        .then(from_start)
        .otherwise(ended)
    )


def _treated(day: pl.Expr) -> pl.Expr:
    """``_on_treatment`` by column."""
    start, end = pl.col("rt_start"), pl.col("rt_end")
    known = start.is_not_null() & (end.is_not_null() | pl.col("ongoing"))
    return (
        pl.when((day <= start).fill_null(False) | (day > end).fill_null(False))
        .then(pl.lit(False))
        .when(known & day.is_not_null())
        .then(pl.lit(True))
    )
