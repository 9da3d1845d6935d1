"""What a patient's grades come to: per term the baseline, worst acute and worst late grade."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.grading.result import PatientGrade, Phase


class _Bounds(Protocol):
    @property
    def at_least(self) -> int | None: ...
    @property
    def at_most(self) -> int | None: ...


def worse(at_least: int | None, at_most: int | None, baseline: _Bounds) -> bool | None:
    """Whether an interval of grades lies above the baseline's; None where that cannot be said."""
    if at_least is None or at_most is None or baseline.at_least is None or baseline.at_most is None:
        return None
    if at_least > baseline.at_most:
        return True
    return False if at_most <= baseline.at_least else None


@dataclass(frozen=True, slots=True)
class Graded:
    """What the summary reads of a grade, fresh or stored; fields as in ``PatientGrade``."""

    term: str | None
    phase: Phase
    course: int | None
    at_least: int | None
    at_most: int | None

    @classmethod
    def of(cls, entry: PatientGrade) -> "Graded":
        grade = entry.grade
        term = grade.term.name if grade.term else None
        return cls(term, entry.phase, entry.course, grade.at_least, grade.at_most)


@dataclass(frozen=True, slots=True)
class TermSummary:
    """One term of one patient over the first course.

    ``worst_*``: the highest ``at_least`` of the window, a sound lower bound; None where nothing
    was measured, or nothing is decided and that bound is 0. ``worst_*_at_most``: the highest grade
    that the numbers of the window allow. ``worse_*``: against the baseline; None: cannot be said.
    """

    term: str
    baseline_grade: int | None
    worst_acute: int | None
    worst_acute_at_most: int | None
    worst_late: int | None
    worst_late_at_most: int | None
    worse_acute: bool | None
    worse_late: bool | None


@dataclass(frozen=True, slots=True)
class _Worst:
    at_least: int | None
    at_most: int | None
    shown: int | None


def summarise(grades: Iterable[Graded]) -> list[TermSummary]:
    """Baseline and worst grades per term, in the order in which the terms first appear.

    Where several tests grade a term, its baseline is the highest of theirs.
    """
    by_term: dict[str, list[Graded]] = {}
    for grade in grades:
        if grade.term is not None and not grade.course:
            by_term.setdefault(grade.term, []).append(grade)
    return [_summary(term, found) for term, found in by_term.items()]


def _summary(term: str, grades: Sequence[Graded]) -> TermSummary:
    before, acute, late = (
        _worst([g for g in grades if g.phase == p]) for p in ("baseline", "acute", "late")
    )
    baseline = before if any(g.phase == "baseline" for g in grades) else None
    known = before.at_least == before.at_most
    return TermSummary(
        term=term,
        baseline_grade=baseline.at_least if baseline and known else None,
        worst_acute=acute.shown,
        worst_acute_at_most=acute.at_most,
        worst_late=late.shown,
        worst_late_at_most=late.at_most,
        worse_acute=worse(acute.at_least, acute.at_most, baseline) if baseline else None,
        worse_late=worse(late.at_least, late.at_most, baseline) if baseline else None,
    )


def _worst(grades: Sequence[Graded]) -> _Worst:
    at_least = max((g.at_least for g in grades if g.at_least is not None), default=None)
    at_most = max((g.at_most for g in grades if g.at_most is not None), default=None)
    decided = any(g.at_least is not None and g.at_least == g.at_most for g in grades)
    return _Worst(at_least, at_most, at_least if at_least or decided else None)
