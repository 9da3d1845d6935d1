"""Clinicians' grades over a course of radiotherapy: their baseline, their phases, what persists.

Every report places them here. An event's grade holds from its onset until it resolves or another
grade of the term begins.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from toxgrade.grading.event import Attribution
from toxgrade.grading.impossible_dates import is_far_from_treatment
from toxgrade.grading.phase import Window, belongs, place, possible_places
from toxgrade.grading.result import AFTER_START, Collected, Course, Phase, Place
from toxgrade.grading.worst_grade import ABSENT, Bounds, any_of, highest, worse


class ClinicalEvent(msgspec.Struct, frozen=True, gc=False):
    """A clinician's current grade of a term; as ``grading.event.Event``, the term by its name.

    ``resolved`` None: not known to be resolved. ``ongoing``: declared to go on.
    """

    term: str
    grade: int
    onset: Collected
    resolved: date | None = None
    ongoing: bool = False
    attribution: Attribution = "unknown"


def clinical_baseline(events: Iterable[ClinicalEvent], course: Course | None) -> Bounds | None:
    """Return the grade at the start of a course, from the events of one term in any course.

    It is that of the last event that began up to the first day (of one day the worse), and 0 if
    that one had resolved before. Then an earlier event that is known to last beyond the start still
    holds, and one that is not known to have resolved may. An onset that may be before or after the
    start counts either way. None: no event can have begun by then.
    """
    start = course.start if course else None
    latest_start = start or (course.end if course else None) or date.max
    before = [event for event in events if event.onset.first <= latest_start]
    if not before:
        return None
    if start is None:
        highest = max(event.grade for event in before)
        return Bounds(0, highest, decided=highest == 0)
    holding = [event for event in before if _holds(event, start)]
    certain = [event for event in before if event.onset.last <= start]
    beyond = [e.grade for e in holding if e.onset.last <= start and (e.ongoing or e.resolved)]
    after_resolution = (max(beyond, default=0), max((e.grade for e in holding), default=0))
    found = [] if certain else [(0, 0)]
    not_before = max(
        ((e.onset.first, e.grade, _holds(e, start)) for e in certain), default=(date.min, 0, False)
    )
    for event in before:
        holds = _holds(event, start)
        if (min(event.onset.last, start), event.grade, holds) >= not_before:  # It can be the last.
            found.append((event.grade, event.grade) if holds else after_resolution)
    least, most = min(low for low, _ in found), max(high for _, high in found)
    return Bounds(least, most, decided=least == most)


def _holds(event: ClinicalEvent, day: date) -> bool:
    """Return whether an event that began by a day is not known to have resolved before it."""
    return event.resolved is None or event.resolved >= day


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """An event with where its onset may lie, and whether it counts in a course's late phase.

    ``late`` None: possibly. ``persistent``: it began, or may have begun, in the acute phase, and
    lasts, or may last, into the late one. ``phase`` and ``on_treatment``: of the onset, as in
    ``Placement``. ``is_likely`` False: the onset is decades from radiotherapy. ``worse``: than the
    baseline of its term; None: not known, or there is none.
    """

    event: ClinicalEvent
    course: int
    places: tuple[Place, ...]
    phase: Phase
    on_treatment: bool | None
    late: bool | None
    is_likely: bool
    worse: bool | None

    @property
    def persistent(self) -> bool:
        return self.late is not False and belongs(self.places, self.course, ("late",)) is not True

    def counts(self, phases: Collection[str]) -> bool | None:
        """Return whether the event counts in phases of the course; None: possibly."""
        began = belongs(self.places, self.course, phases)
        return any_of((began, self.late)) if "late" in phases else began


def place_events(
    events: Sequence[ClinicalEvent],
    courses: Sequence[Course],
    course: int,
    window: Window,
    died: date | None = None,
    baseline: Bounds | None = None,
) -> list[PlacedEvent]:
    """Return a patient's events of one term as they count in a course (its index), in their order.

    An event that began in the acute phase is late for certain only with a later assessment: the
    next grade of its term, of at least 1, began in the late phase, or the event resolved after the
    acute phase, or it is declared ongoing. Otherwise it may be late, unless it resolved earlier,
    another acute grade took its place, or the patient died or began the next course before.
    """
    own = _Term(events, courses, course, window, died)
    found = []
    for event, places in own.placed:
        at = place(event.onset, courses, window)
        likely = not is_far_from_treatment(event.onset, courses)
        is_worse = worse(event.grade, event.grade, baseline) if baseline else None
        late = own.late(event, places)
        found.append(
            PlacedEvent(event, course, places, at.phase, at.on_treatment, late, likely, is_worse)
        )
    return found


@dataclass(frozen=True, slots=True)
class TermEvents:
    """A patient's events of one term over a course, and the baseline they were compared with."""

    term: str
    baseline: Bounds | None
    placed: list[PlacedEvent]


def events_over_course(
    events: Iterable[ClinicalEvent],
    courses: Sequence[Course],
    course: int,
    window: Window,
    died: date | None,
    measured: Mapping[str, Bounds],
    laboratory: Collection[str] | None = None,
) -> Iterator[TermEvents]:
    """Yield a patient's events by term, placed against a course (its index) and compared.

    The baseline is the highest of what was ``measured`` of the term before and of the clinicians'
    own. ``laboratory``: the terms that results are graded for; every other term was absent before
    its first event. None: nothing is assumed of any term.
    """
    of_term: dict[str, list[ClinicalEvent]] = {}
    for event in events:
        of_term.setdefault(event.term, []).append(event)
    treated = courses[course] if course < len(courses) else None
    for term, own in of_term.items():
        absent = ABSENT if laboratory is not None and term not in laboratory else None
        known = (measured.get(term), clinical_baseline(own, treated), absent)
        baseline = highest(bounds for bounds in known if bounds)
        yield TermEvents(term, baseline, place_events(own, courses, course, window, died, baseline))


class _Term:
    """The events of one term over one course, and what they say of one another."""

    def __init__(
        self,
        events: Sequence[ClinicalEvent],
        courses: Sequence[Course],
        course: int,
        window: Window,
        died: date | None,
    ) -> None:
        self._courses, self._course, self._window = courses, course, window
        self.placed = [(e, possible_places(e.onset, courses, window)) for e in events]
        next_start = courses[course + 1].start if course + 1 < len(courses) else None
        ends = [died, next_start - timedelta(days=1) if next_start else None]
        self._last_day = min((day for day in ends if day), default=date.max)
        # The latest acute onset of a grade that took another's place, and of one that resolved.
        self._replaced = self._followed = self._absent = date.min
        self._again = date.max
        absent = date.max
        for event, places in self.placed:
            late = belongs(places, course, ("late",))
            if belongs(places, course, ("acute",)):
                if self._declared(event) is False:
                    self._followed = max(self._followed, event.onset.first)
                else:
                    self._replaced = max(self._replaced, event.onset.first)
            if late and event.grade:
                self._again = min(self._again, event.onset.last)
            if late is not False and not event.grade:
                absent = min(absent, event.onset.first)
        self._assessed = self._again < absent

    def late(self, event: ClinicalEvent, places: Sequence[Place]) -> bool | None:
        """Return whether the event counts in the late phase; None: possibly."""
        began = belongs(places, self._course, ("late",))
        after = belongs(places, self._course, AFTER_START)
        if began or after is False:
            return began
        lasts = self._lasts(event)
        if lasts is False:
            return began
        return True if lasts and after else None

    def _lasts(self, event: ClinicalEvent) -> bool | None:
        """Return whether an event that began in the acute phase lasts into the late phase."""
        declared = self._declared(event)
        if not event.grade or declared is False or self._replaced > event.onset.last:
            return False
        if declared or self._followed > event.onset.last:
            return declared
        return True if self._assessed else None

    def _declared(self, event: ClinicalEvent) -> bool | None:
        """Return what the event itself says; None also where nobody says that it had resolved."""
        last_day = min(event.resolved or date.max, self._last_day)
        day = Collected("", last_day, last_day)
        late = belongs(possible_places(day, self._courses, self._window), self._course, ("late",))
        return late if late is False or event.resolved or event.ongoing else None
