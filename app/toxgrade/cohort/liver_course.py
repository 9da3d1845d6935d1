"""A patient's liver values by day over one course of radiotherapy, with their baselines.

A result without a full date is not left out: it makes a day that may be several days. Baselines,
the first day of a rise and the values beside a finding are taken from full dates alone.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.criterion import Criterion, all_of, highest, wanting
from toxgrade.cohort.liver_baseline import Placed, baselines
from toxgrade.cohort.liver_day import Day, Measured, measured
from toxgrade.grading.grader import TermGrader, relevant
from toxgrade.grading.patient_baselines import starts_before
from toxgrade.grading.phase import Window, add_months, belongs, place, possible_places
from toxgrade.grading.result import (
    AFTER_START,
    PHASES,
    Collected,
    Course,
    LabResult,
    Phase,
    Place,
)

START, END, FULL_DATE = "start of radiotherapy", "end of radiotherapy", "full date"
_LONGEST_DAYS = 31
"""The days of a month: a coarser date can be within no window of days for certain."""


@dataclass(frozen=True)
class LiverCourse:
    """The days of one course (``index``, from 0), dated ones and others, each in order.

    ``earlier`` are dated days up to the start, whichever course they belong to, and ``bases`` the
    baselines from them by analyte. ``elsewhere`` counts the results that certainly belong to other
    courses, by the index of the course (None: of one of several).
    """

    courses: tuple[Course, ...]
    window: Window
    index: int
    dated: tuple[Day, ...]
    coarse: tuple[Day, ...]
    earlier: tuple[Day, ...]
    bases: Mapping[str, Measured]
    elsewhere: dict[int | None, int]
    recorded: tuple[ClinicalEvent, ...]

    @property
    def course(self) -> Course | None:
        return self.courses[self.index] if self.index < len(self.courses) else None

    @property
    def days(self) -> tuple[Day, ...]:
        return self.dated + self.coarse

    def places(self, collected: Collected) -> tuple[Place, ...]:
        """Return the courses and phases that a date may be of."""
        return possible_places(collected, self.courses, self.window)

    def after(self, day: date) -> Criterion:
        """Return whether a day is after the start of this course and before the next."""
        places = self.places(Collected(day.isoformat(), day, day))
        among = belongs(places, self.index, AFTER_START)
        return wanting(START) if among is None else Criterion(among)

    def after_end(self, day: date, from_day: int, months: int) -> Criterion:
        """Return whether a day is so many days to so many calendar months after the end."""
        course = self.course
        if course is None or course.ongoing:
            return Criterion(False) if self.courses else wanting(START, END)
        if course.end is None:
            too_early = course.start and day < course.start + timedelta(days=from_day)
            inside = Criterion(False) if too_early else wanting(END)
        else:
            first = course.end + timedelta(days=from_day)
            inside = Criterion(first <= day <= add_months(course.end, months))
        return all_of([self.after(day), inside])

    def window_after_end(self, from_day: int, months: int) -> tuple[date, date] | None:
        """Return the days of that window; None: the end is not known or not yet reached."""
        end = self.course.end if self.course else None
        return (end + timedelta(days=from_day), add_months(end, months)) if end else None

    def possible_days(self, day: Day) -> list[date]:
        """Return each day that a day may be; none where its date is too coarse for any window."""
        length = (day.day - day.first).days if day.collected else _LONGEST_DAYS
        if length >= _LONGEST_DAYS:
            return []
        return [day.first + timedelta(days=n) for n in range(length + 1)]

    def days_within(self, day: Day, window: tuple[int, int]) -> list[date]:
        """Return the days that a day may be and that may lie in a window after the end.

        Of an open span it is those up to some days after the last that is known: later ones are
        like these. No day lies in a window while a course goes on.
        """
        if self.course and self.course.ongoing:
            return []
        known = self.window_after_end(*window)
        earliest, latest = known or self._known_span(window[0])
        first, last = max(day.first, earliest), min(day.day, latest)
        if not known and day.collected:
            last = max(last, day.first)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def _known_span(self, from_day: int) -> tuple[date, date]:
        """Return the first day that may be in a window, and one after all that is known."""
        start = self.course.start if self.course else None
        known = [day.day for day in (*self.earlier, *self.dated)]
        known += [day for one in self.recorded for day in (one.onset.last, one.resolved) if day]
        known += [start] if start else []
        margin = timedelta(days=_LONGEST_DAYS)
        first = min(known, default=date.max - margin)
        earliest = start + timedelta(days=from_day) if start else first - margin
        return earliest, max([*known, earliest]) + margin

    @property
    def baseline_enzymes(self) -> Day | None:
        """Return the last dated day up to the start on which ALT or AST was measured."""
        return next((d for d in reversed(self.earlier) if d.has_enzymes), None)


def _measured_each(results: Sequence[LabResult], grader: TermGrader) -> list[Placed]:
    """Return the liver values of results; each number is measured once, as few are different."""
    known: dict[Hashable, Measured | None] = {}
    found: list[Placed] = []
    for result in results:
        if (key := relevant(result)) not in known:
            known[key] = measured(result, grader)
        if (value := known[key]) is not None:
            found.append((result, value))
    return found


def liver_course(
    results: Sequence[LabResult], courses: Sequence[Course], index: int, grader: TermGrader,
    window: Window, recorded: Sequence[ClinicalEvent] = (),
) -> LiverCourse:  # fmt: skip
    """Return a patient's liver values over one course; those that are not final do not count."""
    values = _measured_each(results, grader)

    @cache  # A day has several results.
    def places_of(collected: Collected | None) -> tuple[Place, ...]:
        return possible_places(collected, courses, window)

    start = courses[index].start if index < len(courses) else None
    before = [one for one in values if _is_before(one[0], courses, start, window)]
    bases = baselines(before)
    of_course: list[Placed] = []
    elsewhere: dict[int | None, int] = {}
    for one in values:
        places = places_of(one[0].collected)
        if belongs(places, index, PHASES) is False and not _is_declared(one[0], courses, index):
            found = {place.course for place in places}
            key = found.pop() if len(found) == 1 else None
            elsewhere[key] = elsewhere.get(key, 0) + 1
        else:
            of_course.append(one)
    days = _days(of_course, courses, index, window, bases)
    return LiverCourse(
        tuple(courses), window, index,
        tuple(day for day in days if day.is_dated),
        tuple(day for day in days if not day.is_dated),
        tuple(day for day in _days(before, courses, index, window, bases) if day.is_dated),
        bases, elsewhere, tuple(recorded),
    )  # fmt: skip


def _is_declared(result: LabResult, courses: Sequence[Course], index: int) -> bool:
    """Return whether it is before the first course because its sender declares it a baseline."""
    return result.is_baseline and index == 0 and not starts_before(result, courses)


def _is_before(
    result: LabResult, courses: Sequence[Course], start: date | None, window: Window
) -> bool:
    """Return whether a result was certainly taken up to the start, so that it may be a baseline."""
    collected = result.collected
    if collected is None or collected.first != collected.last:
        return False
    if start is None:
        return result.is_baseline and not starts_before(result, courses)
    return collected.last < start or (
        collected.last == start and place(collected, courses, window).phase == "pre_treatment"
    )


def _days(
    values: Sequence[Placed], courses: Sequence[Course], index: int, window: Window,
    bases: dict[str, Measured],
) -> list[Day]:  # fmt: skip
    """Return the days of values, in order of date and phase."""
    groups: dict[tuple[date, Phase, str, str], list[Placed]] = {}
    phase_of = cache(lambda collected: place(collected, courses, window).phase)
    for one in values:
        collected = one[0].collected
        declared = _is_declared(one[0], courses, index)
        phase: Phase = "pre_treatment" if declared else phase_of(collected)
        is_dated = collected is not None and collected.first == collected.last
        own = ("", "") if is_dated else (one[1].analyte, collected.text if collected else "")
        day = collected.first if collected else date.max
        groups.setdefault((day, phase, *own), []).append(one)
    found = []
    for key in sorted(groups):
        (result, _), phase = groups[key][0], key[1]
        places = possible_places(result.collected, courses, window)
        after = False if phase == "pre_treatment" else belongs(places, index, AFTER_START)
        found.append(_day(result.collected, phase, after, [m for _, m in groups[key]], bases))
    return found


def _day(
    collected: Collected | None, phase: Phase, after: bool | None,
    values: Sequence[Measured], bases: dict[str, Measured],
) -> Day:  # fmt: skip
    """Return a day, of several results of an analyte the worst."""
    by_analyte: dict[str, list[Measured]] = {}
    for one in values:
        by_analyte.setdefault(one.analyte, []).append(one)
    plain, points = {}, {}
    for analyte, several in by_analyte.items():
        worst = min if analyte == "albumin" else max
        if numbers := [one.plain for one in several if one.plain is not None]:
            plain[analyte] = worst(numbers)
        if own_points := [one.points for one in several if one.points is not None]:
            points[analyte] = max(own_points)
    return Day(
        collected, phase, after, plain,
        {name: highest(one.x_uln for one in several) for name, several in by_analyte.items()},
        {
            name: highest(one.value for one in several).over(bases[name].value)
            for name, several in by_analyte.items()
            if name in bases
        },
        points,
    )  # fmt: skip
