"""The plain grader of one patient: baseline, acute and late, worse than baseline.

It defines the steps; ``columns/grader.py`` takes the same ones for a frame of many patients.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from toxgrade.criteria.model import Term
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.baseline_selection import Candidate, candidate, choose, latest
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.impossible_dates import is_far_from_treatment
from toxgrade.grading.phase import OLD_BASELINE, Placement, Window, place, possible_places
from toxgrade.grading.result import (
    GRADED_STATUSES,
    Collected,
    Course,
    LabResult,
    PatientGrade,
    Phase,
)
from toxgrade.grading.summary import worse

_Test = tuple[str, str]
"""A term and the analyte that it is graded from. Results of one test share a baseline."""


def grade_patient(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[PatientGrade]:
    """Grade all results of one patient: one entry per result and term, in the order given.

    The baseline, per course, term and test (hypercalcemia has three tests), is the last valid
    result dated on or before the start (valid: of blood, with an active status, a value and a date
    that can be parsed, not flagged ``after-death``, even if the grade is undecided); results that
    the sender declared a baseline take precedence, and ``baseline_selection.choose`` says which of
    several counts. A later course without such a result takes the last valid one before its start.
    The baseline and all results before treatment are graded by the limits of normal alone.
    """
    days = {_date_text(result): result.collected for result in results}
    places = {text: _placement(day, courses, window) for text, day in days.items()}
    placed = [
        _Placed(index, result, term, places[_date_text(result)], valid)
        for index, result in enumerate(results)
        for valid in (_is_valid(result, grader),)
        for term in grader.terms(result.analyte) or (None,)
    ]
    candidates: dict[tuple[int, _Test], list[Candidate]] = {}
    for one in placed:
        if one.term and one.test and one.may_be_baseline(courses):
            key = (one.course, one.test)
            candidates.setdefault(key, []).append(
                candidate(one.index, one.result, one.term, grader)
            )
    baselines = {key: choose(found, grader.names) for key, found in candidates.items()}
    for index, course in enumerate(courses[1:], 1):
        carried_over = _carried_over(placed, course, grader)
        baselines |= {(index, t): c for t, c in carried_over.items() if (index, t) not in baselines}
    return [
        _entry(
            one,
            baselines.get((one.course, one.test)) if one.test else None,
            courses,
            grader,
            window,
        )
        for one in placed
    ]


def _date_text(result: LabResult) -> str | None:
    return result.collected.text if result.collected else None


def _placement(collected: Collected | None, courses: Sequence[Course], window: Window) -> Placement:
    """Return the place of a date, which is flagged where it is far from every course."""
    placement = place(collected, courses, window)
    if is_far_from_treatment(collected, courses):
        return replace(placement, flags=(*placement.flags, Flag.UNLIKELY_DATE))
    return placement


class _Placed(msgspec.Struct, frozen=True, gc=False):
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
    def test(self) -> _Test | None:
        return (self.term.name, self.term.analyte) if self.term else None

    def before_start(self, courses: Sequence[Course]) -> bool:
        """Return whether it counts as before treatment, by its date or its sender's declaration."""
        if self.placement.phase == "pre_treatment":
            return True
        return self.result.is_baseline and not starts_before(self.result, courses)

    def may_be_baseline(self, courses: Sequence[Course]) -> bool:
        return self.valid and self.before_start(courses)


def _is_valid(result: LabResult, grader: TermGrader) -> bool:
    """Return whether a result may be a baseline, by all but when it was taken before the start."""
    if Flag.AFTER_DEATH in result.flags:
        return False
    is_read = result.status in GRADED_STATUSES and result.value and not result.unreadable
    return bool(is_read) and grader.names.specimen(result.specimen) != "other"


def starts_before(result: LabResult, courses: Sequence[Course]) -> bool:
    """Return whether radiotherapy had certainly started before the result was taken."""
    starts = [course.start for course in courses if course.start]
    return bool(starts and result.collected and result.collected.first > min(starts))


def _carried_over(
    placed: Sequence[_Placed], course: Course, grader: TermGrader
) -> dict[_Test, Candidate]:
    """Return, by test, the last valid result up to the start of a course, in whichever course."""
    before: dict[_Test, list[Candidate]] = {}
    for one in placed:
        day = one.result.collected
        if (
            one.term
            and one.test
            and one.valid
            and day
            and course.start
            and day.last <= course.start
        ):
            before.setdefault(one.test, []).append(
                candidate(one.index, one.result, one.term, grader)
            )
    return {test: latest(found, grader.names) for test, found in before.items()}


def _entry(
    one: _Placed,
    baseline: Candidate | None,
    courses: Sequence[Course],
    grader: TermGrader,
    window: Window,
) -> PatientGrade:
    placement, phase = one.placement, _phase(one, baseline, courses)
    before = phase in ("baseline", "pre_treatment")
    compared = REFERENCE_RANGE_ONLY if before else baseline.result if baseline else None
    grade = grader.grade(one.result, one.term, compared)
    grade = grade.flagged(*placement.flags, *one.result.flags)
    if phase == "baseline" and _is_old(one, courses):
        grade = grade.flagged(Flag.OLD_BASELINE)
    is_worse = worse(grade.at_least, grade.at_most, baseline.grade) if baseline else None
    return PatientGrade(
        index=one.index,
        grade=grade,
        phase=phase,
        on_treatment=False if before else placement.on_treatment,
        days_from_end=placement.days_from_end,
        course=one.course if courses else None,
        baseline_grade=baseline.grade.grade if baseline else None,
        worse_than_baseline=is_worse,
        places=possible_places(one.result.collected, courses, window) if phase == "unknown" else (),
    )


def _phase(one: _Placed, baseline: Candidate | None, courses: Sequence[Course]) -> Phase:
    if baseline is not None and baseline.index == one.index:
        return "baseline"
    return "pre_treatment" if one.before_start(courses) else one.placement.phase


def _is_old(one: _Placed, courses: Sequence[Course]) -> bool:
    start = courses[one.course].start if courses else None
    collected = one.result.collected
    return bool(start and collected and start - collected.last > OLD_BASELINE)


def refuse_late_baseline(
    results: Sequence[tuple[tuple[str | int, ...], LabResult]], courses: Sequence[Course]
) -> None:
    """Refuse declared baselines that were taken after the start of radiotherapy.

    Raises:
        RequestError: the faults name the place of each.
    """
    faults = [
        FieldFault(
            (*loc, "collected"),
            "baseline-after-start",
            "a baseline is dated on or before the start of radiotherapy; send it under results",
        )
        for loc, result in results
        if result.is_baseline and starts_before(result, courses)
    ]
    if faults:
        raise RequestError("a baseline entry is dated after the start of radiotherapy", faults)
