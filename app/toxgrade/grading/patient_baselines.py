"""The baselines of one patient: of which course and test each result may be the baseline.

``columns/patient_baselines.py`` finds those of all patients of an export.
"""

from collections.abc import Mapping, Sequence

import msgspec

from toxgrade.criteria.model import Term
from toxgrade.grading.baseline_selection import (
    Candidate,
    Choice,
    candidate,
    choose,
    latest,
    may_be_later,
)
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.phase import Placement
from toxgrade.grading.result import GRADED_STATUSES, Course, LabResult

Test = tuple[str, str]
"""A term and the analyte that it is graded from. Results of one test share a baseline."""
Key = tuple[int, Test]
"""A course and a test, which have one baseline."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """One result for one term (None: its analyte has none), with its place in time."""

    index: int
    result: LabResult
    term: Term | None
    placement: Placement
    valid: bool

    @property
    def course(self) -> int:
        return self.placement.course or 0

    @property
    def test(self) -> Test | None:
        return (self.term.name, self.term.analyte) if self.term else None

    @property
    def key(self) -> Key | None:
        return (self.course, self.test) if self.test else None

    @property
    def has_full_date(self) -> bool:
        collected = self.result.collected
        return collected is not None and collected.first == collected.last

    def before_start(self, courses: Sequence[Course]) -> bool:
        """Return whether it counts as before treatment, by its date or its sender's declaration."""
        if self.placement.phase == "pre_treatment":
            return True
        return self.result.is_baseline and not starts_before(self.result, courses)

    def may_be_baseline(self, courses: Sequence[Course]) -> bool:
        dated = self.has_full_date or self.result.is_baseline
        return self.valid and dated and self.before_start(courses)

    def is_after(self, course: Course) -> bool:
        """Return whether it was certainly taken after a course's start."""
        collected = self.result.collected
        return bool(collected and course.started_before(collected.first, collected.time))


def is_valid(result: LabResult, grader: TermGrader) -> bool:
    """Return whether a result may be a baseline, by all but when it was taken before the start."""
    if Flag.AFTER_DEATH in result.flags:
        return False
    is_read = result.status in GRADED_STATUSES and result.value and not result.unreadable
    return bool(is_read) and grader.names.specimen(result.specimen) != "other"


def starts_before(result: LabResult, courses: Sequence[Course]) -> bool:
    """Return whether radiotherapy had certainly started before the result was taken."""
    taken = result.collected
    return taken is not None and any(c.started_before(taken.first, taken.time) for c in courses)


def find_baselines(
    placed: Sequence[Placed], courses: Sequence[Course], grader: TermGrader
) -> dict[Key, Choice]:
    """Return the baseline of each course and test that has one."""
    candidates: dict[Key, list[Candidate]] = {}
    for one in placed:
        if one.term and one.key and one.may_be_baseline(courses):
            found = candidate(one.index, one.result, one.term, grader)
            candidates.setdefault(one.key, []).append(found)
    baselines = {key: choose(found, grader.names) for key, found in candidates.items()}
    for index, course in enumerate(courses[1:], 1):
        carried_over = _carried_over(placed, course, grader)
        baselines |= {(index, t): c for t, c in carried_over.items() if (index, t) not in baselines}
    return baselines


def _carried_over(
    placed: Sequence[Placed], course: Course, grader: TermGrader
) -> dict[Test, Choice]:
    """Return, by test, the last valid result up to the start of a course, in whichever course."""
    before: dict[Test, list[Candidate]] = {}
    for one in placed:
        day = one.result.collected
        if (
            one.term
            and one.test
            and one.valid
            and (one.has_full_date or one.result.is_baseline)
            and day
            and course.start
            and day.last <= course.start
            and not one.is_after(course)
        ):
            before.setdefault(one.test, []).append(
                candidate(one.index, one.result, one.term, grader)
            )
    return {test: latest(found, grader.names) for test, found in before.items()}


def find_uncertain(
    placed: Sequence[Placed], baselines: Mapping[Key, Choice], courses: Sequence[Course]
) -> set[Key | None]:
    """Return where a result without a full date may be later than the baseline."""
    undated: dict[Test, list[tuple[int, LabResult]]] = {}
    for one in placed:
        if one.test and one.valid and not one.has_full_date:
            undated.setdefault(one.test, []).append((one.index, one.result))
    starts = [course.start for course in courses] or [None]
    return {
        (index, test)
        for test, found in undated.items()
        for index, start in enumerate(starts)
        if may_be_later(found, baselines.get((index, test)), start)
    }
