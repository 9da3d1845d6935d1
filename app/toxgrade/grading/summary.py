"""Summary of a patient's grades: per term the baseline, worst acute and worst late grade."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from toxgrade.grading.result import PatientGrade, Phase


class _Bounds(Protocol):
    @property
    def at_least(self) -> int | None: ...
    @property
    def at_most(self) -> int | None: ...


def worse(at_least: int | None, at_most: int | None, baseline: _Bounds) -> bool | None:
    """Return whether a grade is worse than the baseline's; None if their bounds do not decide."""
    if at_least is None or at_most is None or baseline.at_least is None or baseline.at_most is None:
        return None
    if at_least > baseline.at_most:
        return True
    return False if at_most <= baseline.at_least else None


class Graded(msgspec.Struct, frozen=True, gc=False):
    """The fields of a grade, new or stored, that the summary needs; as in ``PatientGrade``."""

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


class TermSummary(msgspec.Struct, frozen=True, gc=False):
    """One term of one patient over the first course.

    ``worst_*``: the highest ``at_least`` of the phase, a valid lower bound; None where nothing was
    graded, or where nothing is decided and that bound is 0. ``worst_*_at_most``: the highest grade
    that is possible. ``worse_*``: whether the worst grade is above the baseline's; None: not known.
    """

    term: str
    baseline_grade: int | None
    worst_acute: int | None
    worst_acute_at_most: int | None
    worst_late: int | None
    worst_late_at_most: int | None
    worse_acute: bool | None
    worse_late: bool | None


@dataclass(slots=True)
class _Worst:
    """The highest bounds of the grades of a phase, and whether one of them is decided."""

    at_least: int | None = None
    at_most: int | None = None
    decided: bool = False

    def add(self, grade: Graded) -> None:
        least, most = grade.at_least, grade.at_most
        if least is not None and (self.at_least is None or least > self.at_least):
            self.at_least = least
        if most is not None and (self.at_most is None or most > self.at_most):
            self.at_most = most
        self.decided = self.decided or (least is not None and least == most)

    @property
    def shown(self) -> int | None:
        return self.at_least if self.at_least or self.decided else None


_NO_GRADES = _Worst()


def summarise(grades: Iterable[Graded]) -> list[TermSummary]:
    """Return baseline and worst grades per term, in the order in which the terms first appear.

    The baseline of a term that several tests grade is the highest of theirs.
    """
    by_term: dict[str, dict[Phase, _Worst]] = {}
    for grade in grades:
        if grade.term is None or grade.course:
            continue
        phases = by_term.setdefault(grade.term, {})
        if grade.phase not in phases:
            phases[grade.phase] = _Worst()
        phases[grade.phase].add(grade)
    return [_summary(term, phases) for term, phases in by_term.items()]


def _summary(term: str, phases: Mapping[Phase, _Worst]) -> TermSummary:
    baseline = phases.get("baseline")
    acute, late = phases.get("acute", _NO_GRADES), phases.get("late", _NO_GRADES)
    decided = baseline is not None and baseline.at_least == baseline.at_most
    return TermSummary(
        term=term,
        baseline_grade=baseline.at_least if baseline and decided else None,
        worst_acute=acute.shown,
        worst_acute_at_most=acute.at_most,
        worst_late=late.shown,
        worst_late_at_most=late.at_most,
        worse_acute=worse(acute.at_least, acute.at_most, baseline) if baseline else None,
        worse_late=worse(late.at_least, late.at_most, baseline) if baseline else None,
    )
