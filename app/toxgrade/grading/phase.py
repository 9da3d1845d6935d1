"""Acute or late: where a result lies against the courses of radiotherapy.

Default, as the paper dates its toxicity: up to 3 calendar months after the end is acute, later is
late (doi 10.1177/0300060519892382). ``rtog90``: 90 days from the start (Cox 1995, IJROBP 31:1341).
"""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import msgspec

from toxgrade.errors import FieldFault, ParseError
from toxgrade.grading.parse import FIRST_YEAR, LAST_YEAR
from toxgrade.grading.result import Collected, Course, Flag, Phase


@dataclass(frozen=True, slots=True)
class Window:
    """How long toxicity counts as acute: ``months`` or ``days`` (one of them) after ``anchor``.

    Raises:
        ValueError: unless exactly one of them is given, from 0 to 10 years.
    """

    anchor: Literal["end", "start"]
    months: int | None = None
    days: int | None = None

    def __post_init__(self) -> None:
        if (self.months is None) == (self.days is None):
            raise ValueError("a window is so many months or so many days: give one of them")
        if not (0 <= (self.months or 0) <= 120 and 0 <= (self.days or 0) <= 3653):
            raise ValueError("a window is 0 to 120 months or 0 to 3653 days long")

    def last_acute_day(self, anchor: date) -> date:
        """The last day, included, that is acute: same day of month, clipped to the month's end."""
        if self.days is not None:
            return anchor + timedelta(days=self.days)
        return add_months(anchor, self.months or 0)


PRESETS = {
    "paper": Window("end", months=3),
    "rtog90": Window("start", days=90),
    "end90": Window("end", days=90),
}
_WRITTEN = re.compile(r"(end|start)\+([0-9]{1,4})([md])")


def read_window(text: str) -> Window:
    """Return the window that a text means: a preset's name, or such as ``end+3m``, ``start+90d``.

    Raises:
        ParseError: ``window``; the message says what is accepted.
    """
    match = _WRITTEN.fullmatch(text)
    if text in PRESETS:
        return PRESETS[text]
    try:
        if match is None:
            raise ValueError("not a window")
        length = {"m": "months", "d": "days"}[match[3]]
        return Window(match[1], **{length: int(match[2])})  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(PRESETS)
        message = f"expected {known}, or such as end+3m, start+90d"
        raise ParseError("window", message) from None


OLD_BASELINE = timedelta(days=28)  # further before the start it is flagged, never excluded


def add_months(day: date, months: int) -> date:
    """The same day of the month, ``months`` later; 30 November + 3 is the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Placement(msgspec.Struct, frozen=True, gc=False):
    """Where a result lies, before a baseline is chosen.

    ``course`` is the index of the course it belongs to, None without courses or without a date.
    ``on_treatment`` (after the first day and up to the end) and ``days_from_end`` (negative before
    the end) are None where the dates do not say.
    """

    phase: Phase
    on_treatment: bool | None
    days_from_end: int | None
    course: int | None
    flags: tuple[Flag, ...] = ()


def place(collected: Collected | None, courses: Sequence[Course], window: Window) -> Placement:
    """Place a result against the latest course started on or before it (else the first).

    ``courses`` have no ``course_faults``; each one ends what is said of the one before. Up to and
    including the day of the start a result is ``pre_treatment``: dated on the first day of a second
    course it belongs to that course, whose baseline it may be. A partial date has a phase only
    where its first and last possible day agree; phases follow each other, so the days between agree
    too. ``collected`` None (an undated baseline): nothing can be said.
    """
    if collected is None or not courses:
        return Placement("unknown", None, None, None)
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
    for_want_of_end = phase == "unknown" and course.start is not None  # only then: see _phase
    return Placement(
        phase=phase,
        on_treatment=_on_treatment(day, course),
        days_from_end=(day - course.end).days if course.end else None,
        course=index,
        flags=(Flag.NO_RADIOTHERAPY_END,) if for_want_of_end else (),
    )


def _phase(day: date, course: Course, window: Window) -> Phase:
    if course.start is None:
        return _phase_without_start(day, course.end, window)
    if day <= course.start:
        return "pre_treatment"
    if window.anchor == "start":
        return "acute" if day <= window.last_acute_day(course.start) else "late"
    if course.end is not None:
        return "acute" if day <= window.last_acute_day(course.end) else "late"
    certain = course.ongoing or day <= window.last_acute_day(course.start)
    return "acute" if certain else "unknown"


def _phase_without_start(day: date, end: date | None, window: Window) -> Phase:
    """The start is some day up to the end: only what holds for each such day is said."""
    if end is None or day <= end:
        return "unknown"
    if day > window.last_acute_day(end):
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
    """What is wrong with a patient's courses: ``loc`` is (index, field); empty if nothing."""
    faults: list[FieldFault] = []
    latest: date | None = None
    for i, course in enumerate(courses):
        for field, day in (("start", course.start), ("end", course.end)):
            if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
                text = f"expected a date in the years {FIRST_YEAR} to {LAST_YEAR}"
                faults.append(FieldFault((i, field), "date-out-of-range", text))
        if course.start and course.end and course.end < course.start:
            text = "the end is before the start of radiotherapy"
            faults.append(FieldFault((i, "end"), "end-before-start", text))
        if course.end and course.ongoing:
            text = "a course in progress has no end yet"
            faults.append(FieldFault((i, "status"), "ended-and-ongoing", text))
        if course.start is None and len(courses) > 1:
            text = "each of several courses needs a start"
            faults.append(FieldFault((i, "start"), "missing-start", text))
        if course.start and latest and course.start <= latest:
            text = "courses are listed by start, each later than the one before"
            faults.append(FieldFault((i, "start"), "courses-out-of-order", text))
        latest = course.start or latest
    return faults
