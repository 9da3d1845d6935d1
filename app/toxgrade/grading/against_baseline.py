"""One result compared with its baseline: its grade, and whether that is worse.

``columns/against_baseline.py`` makes the same comparison for all rows of an export.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from toxgrade.criteria.model import Term
from toxgrade.grading import explanation
from toxgrade.grading.abnormal_baseline import AgainstBaseline
from toxgrade.grading.baseline_selection import Choice
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.result import Grade, LabResult
from toxgrade.grading.worst_grade import worse

_POSSIBLE = (Flag.CLINICAL_GRADE_POSSIBLE, Flag.BY_INDICATOR)
"""The flags that one possible baseline is enough for; the others must be so for each."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A grade, the baseline's own grade, and whether the first is worse.

    ``ambiguous``: they depend on which of several results is the baseline. ``baseline_grade``
    None: there is no baseline, or its grade is undecided or ambiguous. ``worse`` None: not known.
    """

    grade: Grade
    baseline_grade: int | None
    worse: bool | None
    ambiguous: bool = False


def compare(
    result: LabResult, term: Term | None, choice: Choice | None, grader: TermGrader, *, before: bool
) -> Outcome:
    """Return a result graded against its baseline; over the choices where there are several.

    ``before``: it was taken before treatment, so that its grade is by the limits of normal alone.
    """
    possible = (None,) if choice is None else choice.possible
    outcomes = [
        outcome(
            result,
            term,
            one.result if one else None,
            one.grade if one else None,
            grader,
            before=before,
        )
        for one in possible
    ]
    first = outcomes[0]
    if all(_told(one) == _told(first) for one in outcomes):
        return first
    baseline_grades, verdicts = ({_told(one)[n] for one in outcomes} for n in (2, 3))
    return Outcome(
        grade=_hull([one.grade for one in outcomes]).flagged(Flag.BASELINE_AMBIGUOUS),
        baseline_grade=first.baseline_grade if len(baseline_grades) == 1 else None,
        worse=first.worse if len(verdicts) == 1 else None,
        ambiguous=True,
    )


def outcome(
    result: LabResult,
    term: Term | None,
    baseline: LabResult | None,
    baseline_grade: Grade | None,
    grader: TermGrader,
    *,
    before: bool,
) -> Outcome:
    """Return a result graded against one baseline, which has a grade by the limits of normal."""
    compared = REFERENCE_RANGE_ONLY if before else baseline
    grade = grader.grade(result, term, compared)
    if baseline_grade is None:
        return Outcome(grade, None, None)
    against = grader.against(result, term, compared) if term else None
    if against is None:
        is_worse = worse(grade.at_least, grade.at_most, baseline_grade)
    else:
        own = grader.grade(result, term, REFERENCE_RANGE_ONLY)
        is_worse = worse_by_value(grade, own, baseline_grade, against)
    return Outcome(grade, baseline_grade.grade, is_worse)


def worse_by_value(
    grade: Grade, own: Grade, baseline: Grade, against: AgainstBaseline
) -> bool | None:
    """Return whether a grade is worse where an abnormal baseline is compared with itself.

    With an abnormal baseline: whether the grade is at least 1 and the value beyond the baseline's.
    With a normal one: whether the grade is above the baseline's. If it is not known which, both
    must say the same. ``own`` and ``baseline`` are grades by the limits of normal alone.
    """
    least, most = grade.at_least, grade.at_most
    if least is None or most is None:
        return None
    toxic = True if least else None if most else False
    by_value = _both(toxic, against.beyond)
    if against.abnormal:
        return by_value
    if against.abnormal is None and own.at_most is not None:
        most = min(most, own.at_most)
        if against.side == "ULN":  # A normal baseline has the lowest of its possible grades.
            baseline = replace(baseline, at_most=baseline.at_least)
    by_grade = worse(least, most, baseline)
    return by_grade if against.abnormal is False or by_grade == by_value else None


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _told(one: Outcome) -> tuple[int | None, int | None, int | None, bool | None]:
    """Return what a choice of the baseline may change."""
    return one.grade.at_least, one.grade.at_most, one.baseline_grade, one.worse


def _hull(grades: Sequence[Grade]) -> Grade:
    """Return the bounds of a grade over the possible baselines, of which the first is chosen."""
    first = grades[0]
    bounds = {(grade.at_least, grade.at_most) for grade in grades}
    every = [set(grade.flags) for grade in grades]
    possible = set.union(*every).intersection(_POSSIBLE)
    kept = set.intersection(*every) | possible
    first = replace(first, flags=tuple(flag for flag in Flag if flag in kept))
    if len(bounds) == 1:  # Whether a result has a grade at all does not depend on its baseline.
        return first
    least = min(one.at_least or 0 for one in grades)
    most = max(one.at_most or 0 for one in grades)
    reasons = {Reason.MISSING_BASELINE, *(one.reason for one in grades)}
    return replace(
        first,
        at_least=least,
        at_most=most,
        reason=next(reason for reason in Reason if reason in reasons),
        because=explanation.ambiguous_baseline(first.because, least, most),
    )
