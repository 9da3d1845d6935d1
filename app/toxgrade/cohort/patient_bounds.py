"""A patient's bounds by term over one course: of results by phase, unplaced ones, and events."""

from collections.abc import Iterable, Sequence
from datetime import date

from toxgrade.cohort.clinical_events import ClinicalEvent, PlacedEvent, events_over_course
from toxgrade.cohort.definition import Scope
from toxgrade.grading.phase import Window, belongs
from toxgrade.grading.result import Course, Place
from toxgrade.grading.worst_grade import Bounds, highest

TermBounds = dict[str, Bounds]


def add_bounds(window: TermBounds, term: str, bounds: Bounds) -> None:
    """Add the bounds of some grades of a term to those of a window."""
    known = window.get(term)
    window[term] = bounds if known is None else highest((known, bounds)) or bounds


def add_unplaced(
    worst: TermBounds, term: str, bounds: Bounds, places: Sequence[Place], scope: Scope
) -> None:
    """Add results of unknown phase, which may have each of the places, to every window of these."""
    among = belongs(places, scope.course - 1, scope.phases)
    if among is not False:
        certain = among and (scope.on_treatment or scope.phase == "late")
        add_bounds(worst, term, bounds if certain else bounds.possible)


def add_events(
    baseline: TermBounds, worst: TermBounds, events: Iterable[ClinicalEvent],
    courses: Sequence[Course], window: Window, scope: Scope, died: date | None,
) -> None:  # fmt: skip
    """Add clinicians' grades, each compared with the baseline of its term."""
    for found in events_over_course(events, courses, scope.course - 1, window, died, baseline):
        if found.baseline:
            baseline[found.term] = found.baseline
        for placed in found.placed:
            among, grade = _counts(placed, scope), placed.event.grade
            if among is not False and placed.event.attribution in scope.attributions:
                bounds = Bounds(grade, grade, decided=True, worse=placed.worse)
                add_bounds(worst, found.term, bounds if among else bounds.possible)


def _counts(placed: PlacedEvent, scope: Scope) -> bool | None:
    """Return whether an event counts; None: possibly. What began on treatment may be left out."""
    among = placed.counts(scope.phases)
    if among is False or scope.on_treatment or placed.on_treatment is False:
        return among
    late = placed.late if "late" in scope.phases else False
    return late if placed.on_treatment else late or None
