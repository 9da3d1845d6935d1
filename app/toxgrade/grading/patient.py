"""The plain grader of one patient: baseline, acute and late, worse than baseline.

It defines the steps; ``columns/patient.py`` takes the same ones for a frame of many patients.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from msgspec.structs import replace

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.against_baseline import compare
from toxgrade.grading.baseline_selection import Choice
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.impossible_dates import is_far_from_treatment
from toxgrade.grading.patient_baselines import (
    Key,
    Placed,
    find_baselines,
    find_uncertain,
    is_valid,
    starts_before,
)
from toxgrade.grading.phase import OLD_BASELINE, Placement, Window, place, possible_places
from toxgrade.grading.result import Collected, Course, LabResult, PatientGrade, Phase


def grade_patient(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[PatientGrade]:
    """Grade all results of one patient: one entry per result and term, in the order given.

    The baseline, per course, term and test (hypercalcemia has three tests), is the last valid
    result with a full date up to the start (valid: of blood, with an active status, a value and a
    date that can be parsed, not flagged ``after-death``, even if the grade is undecided); results
    that the sender declared a baseline, of whatever date, take precedence, and
    ``baseline_selection.choose`` says which of
    several counts. A later course without such a result takes the last valid one before its start.
    The baseline and all results before treatment are graded by the limits of normal alone.
    """
    placed = _placed(results, courses, grader, window)
    baselines = find_baselines(placed, courses, grader)
    entries = [_entry(one, baselines, courses, grader, window) for one in placed]
    may_differ = find_uncertain(placed, baselines, courses)
    ambiguous = {
        one.key
        for one, entry in zip(placed, entries, strict=True)
        if Flag.BASELINE_AMBIGUOUS in entry.grade.flags
    }
    if not ambiguous and not may_differ:
        return entries
    doubts = (
        _doubts(one, entry.phase, baselines, courses, ambiguous=ambiguous, may_differ=may_differ)
        for one, entry in zip(placed, entries, strict=True)
    )
    return [
        replace(entry, grade=entry.grade.flagged(*flags)) if flags else entry
        for entry, flags in zip(entries, doubts, strict=True)
    ]


def foundations(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[int]:
    """Return the indexes of the results of one patient that the grades of others rest on.

    Those are all without a full date, and by test all of the day of a baseline, of which the choice
    depends on each. Results that ``stands_beside`` are graded beside these as beside all.
    """
    placed = _placed(results, courses, grader, window)
    baselines = find_baselines(placed, courses, grader)
    days = {(test, _first_day(choice.chosen.result)) for (_, test), choice in baselines.items()}
    found = (
        one.index
        for one in placed
        if one.valid
        and not stands_beside(one.result, courses)
        and (not one.has_full_date or (one.test and (one.test, _first_day(one.result)) in days))
    )
    return [*dict.fromkeys(found)]


def stands_beside(result: LabResult, courses: Sequence[Course]) -> bool:
    """Return whether no other result's grade can rest on this one, whatever the others are.

    It has a full date, is not declared a baseline, and was certainly taken after the start of every
    course; a course without a start has no results before it.
    """
    day = result.collected
    if day is None or day.first != day.last or result.is_baseline:
        return False
    return all(c.start is None or c.started_before(day.first, day.time) for c in courses)


def _placed(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[Placed]:
    days = {_date_text(result): result.collected for result in results}
    places = {text: _placement(day, courses, window) for text, day in days.items()}
    return [
        Placed(index, result, term, places[_date_text(result)], valid)
        for index, result in enumerate(results)
        for valid in (is_valid(result, grader),)
        for term in grader.terms(result.analyte) or (None,)
    ]


def _first_day(result: LabResult) -> date | None:
    return result.collected.first if result.collected else None


def _date_text(result: LabResult) -> str | None:
    return result.collected.text if result.collected else None


def _placement(collected: Collected | None, courses: Sequence[Course], window: Window) -> Placement:
    """Return the place of a date, which is flagged where it is far from every course."""
    placement = place(collected, courses, window)
    if is_far_from_treatment(collected, courses):
        return replace(placement, flags=(*placement.flags, Flag.UNLIKELY_DATE))
    return placement


def _entry(
    one: Placed,
    baselines: Mapping[Key, Choice],
    courses: Sequence[Course],
    grader: TermGrader,
    window: Window,
) -> PatientGrade:
    choice = baselines.get(one.key) if one.key else None
    placement, phase = one.placement, _phase(one, choice, courses)
    before = phase in ("baseline", "pre_treatment")
    found = compare(one.result, one.term, choice, grader, before=before)
    grade = found.grade.flagged(*placement.flags, *one.result.flags)
    if phase == "baseline" and _is_old(one, courses):
        grade = grade.flagged(Flag.OLD_BASELINE)
    return PatientGrade(
        index=one.index,
        grade=grade,
        phase=phase,
        on_treatment=False if before else placement.on_treatment,
        days_from_end=placement.days_from_end,
        course=one.course if courses else None,
        baseline_grade=found.baseline_grade,
        worse_than_baseline=found.worse,
        places=possible_places(one.result.collected, courses, window) if phase == "unknown" else (),
    )


def _doubts(
    one: Placed,
    phase: Phase,
    baselines: Mapping[Key, Choice],
    courses: Sequence[Course],
    *,
    ambiguous: Collection[Key | None],
    may_differ: Collection[Key | None],
) -> list[Flag]:
    """Return what a reader should know of the choice of the baseline, which others may share."""
    flags = []
    if phase == "baseline" and one.key in ambiguous:
        flags.append(Flag.BASELINE_AMBIGUOUS)
    compared = one.key in baselines or (bool(courses) and one.is_after(courses[one.course]))
    if one.key in may_differ and phase != "pre_treatment" and compared:
        flags.append(Flag.BASELINE_MAY_DIFFER)
    return flags


def _phase(one: Placed, choice: Choice | None, courses: Sequence[Course]) -> Phase:
    if choice is not None and choice.chosen.index == one.index:
        return "baseline"
    return "pre_treatment" if one.before_start(courses) else one.placement.phase


def _is_old(one: Placed, courses: Sequence[Course]) -> bool:
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
