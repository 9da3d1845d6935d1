"""Late toxicity by patient and term, with its onset, attribution and recovery.

The visits of a term are its graded results and clinicians' events after the start of a course.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from toxgrade.cohort.clinical_events import PlacedEvent, TermEvents
from toxgrade.cohort.placed_result import PlacedResult
from toxgrade.grading.event import Attribution
from toxgrade.grading.phase import Window, belongs, place
from toxgrade.grading.result import AFTER_START, Collected, Course, Phase
from toxgrade.grading.worst_grade import Bounds


@dataclass(frozen=True, slots=True)
class Visit:
    """One graded result or event; ``value`` with its unit as reported, None for an event.

    ``day`` is the first possible day; None: undated. ``worse``: than the baseline. ``late``: in the
    late phase of the course. Both None: not known. ``persistent``: an event that began in the acute
    phase and lasted, or may have lasted, into the late one.
    """

    day: date | None
    phase: Phase
    at_least: int
    at_most: int
    worse: bool | None
    late: bool | None
    value: str | None = None
    attribution: Attribution | None = None
    persistent: bool = False


def result_visit(one: PlacedResult, course: int) -> Visit | None:
    """Return a result as a visit of a course (its index); None: it is not after the start."""
    if belongs(one.places, course, AFTER_START) is False:
        return None
    late = belongs(one.places, course, ("late",))
    late = late if one.is_likely or late is False else None
    return Visit(one.first, one.phase, one.at_least, one.at_most, one.worse, late, one.value)


def event_visits(
    found: TermEvents, courses: Sequence[Course], course: int, window: Window
) -> Iterator[Visit]:
    """Yield the events after the start; one that resolved in the course adds a visit of grade 0."""
    for placed in found.placed:
        if placed.counts(AFTER_START) is False:
            continue
        yield _event_visit(placed)
        if resolved := placed.event.resolved:
            at = place(Collected("", resolved, resolved), courses, window)
            if (at.course or 0) == course:
                late = {"late": True, "unknown": None}.get(at.phase, False)
                yield Visit(resolved, at.phase, 0, 0, worse=False, late=late)


def _event_visit(placed: PlacedEvent) -> Visit:
    event = placed.event
    late = placed.late if placed.is_likely or placed.late is False else None
    return Visit(
        event.onset.first, placed.phase, event.grade, event.grade, placed.worse, late,
        attribution=event.attribution, persistent=placed.persistent,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TermVisits:
    """The visits, in any order, of one term of a patient (by name) whose ``courses`` these are."""

    patient: str
    term: str
    visits: Sequence[Visit]
    baseline: Bounds | None
    courses: tuple[Course, ...]


@dataclass(frozen=True, slots=True)
class LateToxicity:
    """One term of one patient that was worse than its own baseline after the acute window.

    ``baseline_grade``: the lowest possible. ``first`` and ``worst``: the first late visit above
    baseline and the first at the worst grade. ``attribution``: a clinician's, from the last such
    event; ``unknown`` without one. ``resolved``: the first visit after ``worst`` that is certainly
    not above the baseline; None: there is none. ``visits``: all dated acute and late visits, and
    those that may be, by day.
    """

    patient: str
    term: str
    baseline_grade: int | None
    radiotherapy_end: date | None
    first: Visit
    worst: Visit
    resolved: Visit | None
    attribution: Attribution
    visits: tuple[Visit, ...]

    @property
    def persistent(self) -> bool:
        """Return whether it is late because an event of the acute phase lasted."""
        return any(visit.persistent for visit in self.visits if _certain(visit))


@dataclass(frozen=True, slots=True)
class PossiblyLate:
    """A term that may have been late and worse than baseline, up to ``at_most``; not certainly."""

    patient: str
    term: str
    at_most: int
    attribution: Attribution


@dataclass(frozen=True, slots=True)
class LateCohort:
    """Late toxicity of a study, by patient and term; a course that a patient lacks has none.

    ``without_course``: patients with grades but no course at all.
    """

    late: list[LateToxicity] = field(default_factory=list)
    undecided: list[PossiblyLate] = field(default_factory=list)
    without_course: list[str] = field(default_factory=list)


def late_toxicity(terms: Iterable[TermVisits], course: int) -> LateCohort:
    """Return the late toxicity in a course (its index) of what is known by patient and term."""
    found = LateCohort()
    for one in sorted(terms, key=lambda each: (each.patient, each.term)):
        if course < len(one.courses):
            if late := _late(one, one.courses[course]):
                found.late.append(late)
            elif may_be := _possibly_late(one):
                found.undecided.append(may_be)
        elif not one.courses and one.patient not in found.without_course[-1:]:
            found.without_course.append(one.patient)
    return found


def _certain(visit: Visit) -> bool:
    return bool(visit.late and visit.worse)


def _late(one: TermVisits, course: Course) -> LateToxicity | None:
    """Return the late toxicity of a term; None unless a late grade is certainly above baseline."""
    after = sorted((visit for visit in one.visits if visit.day), key=_by_day)
    above = [visit for visit in after if _certain(visit)]
    if not above:
        return None
    worst = max(above, key=lambda visit: visit.at_least)  # max takes the first of equals.
    following = after[after.index(worst) + 1 :]
    return LateToxicity(
        patient=one.patient,
        term=one.term,
        baseline_grade=one.baseline.at_least if one.baseline else None,
        radiotherapy_end=course.end,
        first=above[0],
        worst=worst,
        resolved=next((visit for visit in following if visit.worse is False), None),
        attribution=_attribution(above),
        visits=tuple(after),
    )


def _attribution(visits: Iterable[Visit]) -> Attribution:
    """Return that of the last visit that has one."""
    attributed = [visit.attribution for visit in visits if visit.attribution]
    return attributed[-1] if attributed else "unknown"


def _by_day(visit: Visit) -> tuple[date, int, int, str, str]:
    """Return the key of an order by day, and on one day by content, never by arrival."""
    content = (visit.at_least, visit.at_most, visit.value or "", visit.attribution or "")
    return (visit.day or date.min, *content)


def _possibly_late(one: TermVisits) -> PossiblyLate | None:
    """Return what a term may have reached late; None if nothing may be late and worse."""
    possible = [
        visit
        for visit in sorted(one.visits, key=_by_day)
        if visit.late is not False and visit.worse is not False and visit.at_most
    ]
    if not possible:
        return None
    at_most = max(visit.at_most for visit in possible)
    return PossiblyLate(one.patient, one.term, at_most, _attribution(possible))
