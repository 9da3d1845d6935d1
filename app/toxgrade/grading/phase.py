"""Placement of results in time: before radiotherapy, acute or late, by the patient's courses.

By default, as in the paper (doi 10.1177/0300060519892382), toxicity is acute up to 3 calendar
months after the end, then late. ``rtog90``: 90 days from the start (Cox 1995, IJROBP 31:1341).
"""

import calendar
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal

import msgspec

from toxgrade.errors import FieldFault, ParseError
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import FIRST_YEAR, LAST_YEAR, YEARS
from toxgrade.grading.result import PHASES, Collected, Course, Phase, Place


@dataclass(frozen=True, slots=True)
class Window:
    """The time for which toxicity counts as acute: ``months`` or ``days`` after ``anchor``.

    Raises:
        ValueError: not exactly one of the two is given, or it is not within 0 to 10 years.
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
        """Return the last acute day; months keep the day of the month, or end with the month."""
        if self.days is not None:
            return anchor + timedelta(days=self.days)
        return add_months(anchor, self.months or 0)


MOST_COURSES = 20
"""Of one patient. Each result is placed by all of them."""
OLD_BASELINE = timedelta(days=28)
"""A baseline taken longer than this before the start is flagged, never excluded."""
PRESETS = {
    "paper": Window("end", months=3),
    "rtog90": Window("start", days=90),
    "end90": Window("end", days=90),
}
_WRITTEN = re.compile(r"(end|start)\+([0-9]{1,4})([md])")


def read_window(text: str) -> Window:
    """Parse a window: a preset's name, or a text such as ``end+3m`` or ``start+90d``.

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
        message = (
            f"expected {known}, or such as end+3m (0 to 120 months), start+90d (0 to 3653 days)"
        )
        raise ParseError("window", message) from None


def add_months(day: date, months: int) -> date:
    """Return the day ``months`` later; 30 November + 3 months is the last day of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Placement(msgspec.Struct, frozen=True, gc=False):
    """Where a result lies in time, before a baseline is chosen.

    ``course`` is the index of the course it belongs to, None without courses or without a date.
    ``on_treatment`` (after the first day and up to the end) and ``days_from_end`` (negative before
    the end) are None where the dates do not decide them.
    """

    phase: Phase
    on_treatment: bool | None
    days_from_end: int | None
    course: int | None
    flags: tuple[Flag, ...] = ()


def place(collected: Collected | None, courses: Sequence[Course], window: Window) -> Placement:
    """Place a result by the latest course that started on or before its day, else by the first.

    ``courses`` have no ``course_faults``; the phases of one end when the next starts. A result up
    to and including the day of the start is ``pre_treatment``, unless both have a time and its own
    is later; on the first day of a second course it belongs to that course. A partial date has a
    phase only if its first and last possible day agree; as phases follow each other, the days
    between then agree too. Without a date or without courses the phase is ``unknown``.
    """
    if collected is None or not courses:
        return Placement("unknown", None, None, None)
    first = _place_day(collected.first, collected.time, courses, window)
    if collected.first == collected.last:
        return first
    last = _place_day(collected.last, None, courses, window)
    if (first.phase, first.course) != (last.phase, last.course):
        return Placement("unknown", None, None, first.course)
    agrees = first.on_treatment == last.on_treatment
    return Placement(
        first.phase, first.on_treatment if agrees else None, None, first.course, first.flags
    )


def _place_day(day: date, at: time | None, courses: Sequence[Course], window: Window) -> Placement:
    started = [i for i, course in enumerate(courses) if course.start and course.start <= day]
    index = started[-1] if started else 0
    course = courses[index]
    phase = _phase(day, at, course, window)
    # After a known start a phase is unknown only because the end is not known: see _phase.
    end_missing = phase == "unknown" and course.start is not None
    return Placement(
        phase=phase,
        on_treatment=_on_treatment(day, at, course),
        days_from_end=(day - course.end).days if course.end else None,
        course=index,
        flags=(Flag.NO_RADIOTHERAPY_END,) if end_missing else (),
    )


def _phase(day: date, at: time | None, course: Course, window: Window) -> Phase:
    """Return the phase of a day by one course; without an end, what holds for every end."""
    if course.start is None:
        return _phase_without_start(day, course.end, window)
    if not course.started_before(day, at):
        return "pre_treatment"
    if window.anchor == "start":
        return "acute" if day <= window.last_acute_day(course.start) else "late"
    if course.end is not None:
        return "acute" if day <= window.last_acute_day(course.end) else "late"
    certain = course.ongoing or day <= window.last_acute_day(course.start)
    return "acute" if certain else "unknown"


def _phase_without_start(day: date, end: date | None, window: Window) -> Phase:
    """Return the phase that holds whichever day up to the end the start was."""
    if end is None or day <= end:
        return "unknown"
    if day > window.last_acute_day(end):
        return "late"
    return "acute" if window.anchor == "end" else "unknown"


def possible_places(
    collected: Collected | None, courses: Sequence[Course], window: Window
) -> tuple[Place, ...]:
    """Return every course and phase to which a result may belong, in order; one if that is known.

    An undated result may be of any; a partial date may be each of its days; without an end of
    radiotherapy what comes after the shortest acute window may be acute or late. Reductions ask
    this through ``belongs`` wherever a phase is ``unknown``.
    """
    if collected is None or not courses:
        everywhere = range(max(1, len(courses)))
        return tuple(Place(course, phase) for course in everywhere for phase in PHASES)
    first, last = collected.first, collected.last
    days = {first, last}
    if first != last:  # Phases change only on these days.
        for day in (change for course in courses for change in _changes(course, window)):
            days |= {d for d in (day, day + timedelta(days=1)) if first <= d <= last}
    at = collected.time
    places = {place for day in days for place in _places_of_day(day, at, courses, window)}
    return tuple(sorted(places))


def belongs(places: Sequence[Place], course: int, phases: Collection[str]) -> bool | None:
    """Return whether a result of these places is of a course's phases; None: possibly."""
    among = [place.course == course and place.phase in phases for place in places]
    return True if all(among) else None if any(among) else False


def _changes(course: Course, window: Window) -> Iterator[date]:
    """Yield the last day of each phase of a course, by either of its dates."""
    for day in filter(None, (course.start, course.end)):
        yield day - timedelta(days=1)
        yield day
        yield window.last_acute_day(day)


def _places_of_day(
    day: date, at: time | None, courses: Sequence[Course], window: Window
) -> list[Place]:
    placed = _place_day(day, at, courses, window)
    index = placed.course or 0
    if placed.phase != "unknown":
        return [Place(index, phase) for phase in PHASES if phase == placed.phase]
    course = courses[index]
    may_be_before = course.start is None and (course.end is None or day <= course.end)
    # Up to a known end, a window that is counted from the end has not passed.
    may_be_late = course.end is None or window.anchor == "start"
    possible = (may_be_before, True, may_be_late)
    return [Place(index, phase) for phase, may in zip(PHASES, possible, strict=True) if may]


def _on_treatment(day: date, at: time | None, course: Course) -> bool | None:
    """Return whether it is after a course's start and up to its last day; None if unknown."""
    if course.start is not None and not course.started_before(day, at):
        return False
    if course.end is not None and day > course.end:
        return False
    if course.start is not None and (course.end is not None or course.ongoing):
        return True
    return None


def course_faults(courses: Sequence[Course]) -> list[FieldFault]:
    """Return the faults of a patient's courses, each at (index, field); empty if there are none."""
    faults: list[FieldFault] = []
    latest: date | None = None
    for i, course in enumerate(courses):
        for field, day in (("start", course.start), ("end", course.end)):
            if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
                text = f"expected a date in the {YEARS}"
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
