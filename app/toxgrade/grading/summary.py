"""What a patient's grades come to: per term the baseline, worst acute and worst late grade."""

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
    """Whether an interval of grades lies above the baseline's; None where that cannot be said."""
    if at_least is None or at_most is None or baseline.at_least is None or baseline.at_most is None:
        return None
    if at_least > baseline.at_most:
        return True
    return False if at_most <= baseline.at_least else None


class Graded(msgspec.Struct, frozen=True, gc=False):
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


class TermSummary(msgspec.Struct, frozen=True, gc=False):
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


@dataclass(slots=True)
class _Worst:
    """The highest bounds of a window's grades; whether one of them is decided."""

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


_NOTHING = _Worst()


def summarise(grades: Iterable[Graded]) -> list[TermSummary]:
    """Baseline and worst grades per term, in the order in which the terms first appear.

    Where several tests grade a term, its baseline is the highest of theirs.
    """
    by_term: dict[str, dict[Phase, _Worst]] = {}
    for grade in grades:
        if grade.term is None or grade.course:
            continue
        windows = by_term.setdefault(grade.term, {})
        if grade.phase not in windows:
            windows[grade.phase] = _Worst()
        windows[grade.phase].add(grade)
    return [_summary(term, windows) for term, windows in by_term.items()]


def _summary(term: str, windows: Mapping[Phase, _Worst]) -> TermSummary:
    baseline = windows.get("baseline")
    acute, late = windows.get("acute", _NOTHING), windows.get("late", _NOTHING)
    known = baseline is not None and baseline.at_least == baseline.at_most
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
