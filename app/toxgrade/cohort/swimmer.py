"""The lanes of a swimmer plot: when each patient was treated, reached a grade, and was followed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from toxgrade.cohort.time_to_event import TimesToEvent
from toxgrade.grading.result import Course


@dataclass(frozen=True, slots=True)
class Lane:
    """One patient of a swimmer plot, in days from the start of the first course.

    ``treated``: first and last day of each course. ``reached``: the days, in order, on which a
    grade worse than the patient's own baseline was higher than any before, with that grade.
    ``end``: the last contact or result, or death where ``died``.
    """

    patient: str
    end: int
    died: bool
    treated: tuple[tuple[int, int], ...]
    reached: tuple[tuple[int, int], ...]

    @property
    def worst(self) -> int:
        return max((grade for _, grade in self.reached), default=0)


@dataclass(frozen=True, slots=True)
class Swimmer:
    """The lanes of a swimmer plot by name, and what they do not show.

    ``undecided``: patients who may have reached a higher grade than drawn. ``inexact``: patients
    with a grade on a day that is not exact, the first possible. ``other_courses``: the number of
    results of later courses, which have no grade in a lane.
    """

    lanes: list[Lane]
    undecided: list[str]
    inexact: list[str]
    other_courses: int


def swimmer(
    times: Mapping[int, TimesToEvent],
    survival: TimesToEvent,
    courses: Mapping[str, Iterable[Course]],
) -> Swimmer:
    """Return the lanes of patients with a start and follow-up.

    ``times``: the times to each grade, the highest grade first. ``courses``: by patient.
    """
    first: dict[str, dict[int, int]] = {}
    undecided, inexact, other_courses = set[str](), set[str](), dict[str, int]()
    for grade, found in times.items():
        for name, seen in found.observed.items():
            if seen.outcome == "event":
                first.setdefault(name, {}).setdefault(seen.days, grade)
        undecided.update(found.undecided)
        inexact.update(found.inexact)
        other_courses = found.other_courses
    lanes = [
        Lane(
            name, seen.days, seen.outcome == "event", _spans(courses.get(name, ())),
            tuple(sorted(first.get(name, {}).items())),
        )
        for name, seen in survival.observed.items()
    ]  # fmt: skip
    return Swimmer(lanes, sorted(undecided), sorted(inexact), sum(other_courses.values()))


def _spans(courses: Iterable[Course]) -> tuple[tuple[int, int], ...]:
    """Return the courses that have both dates, in days from the first start."""
    own = tuple(courses)
    origin = own[0].start if own else None
    return tuple(
        ((course.start - origin).days, (course.end - origin).days)
        for course in own
        if origin and course.start and course.end
    )
