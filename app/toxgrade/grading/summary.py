"""Summary of a patient's grades: per term the baseline, worst acute and worst late grade."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from toxgrade.grading.flags import Flag
from toxgrade.grading.phase import belongs
from toxgrade.grading.result import CertainPhase, PatientGrade, Phase, Place


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


def is_ambiguous(phase: Phase, flags: Collection[str], baseline_grade: int | None) -> bool:
    """Return whether a result may be the baseline, whose own grade is ambiguous."""
    before = phase in ("baseline", "pre_treatment")
    return before and baseline_grade is None and Flag.BASELINE_AMBIGUOUS in flags


class Graded(msgspec.Struct, frozen=True, gc=False):
    """The fields of a grade, new or stored, that the summary needs; as in ``PatientGrade``.

    ``worse``: whether it is worse than its own baseline. ``may_be_baseline``: its result is, or may
    be, the baseline, whose own grade depends on which of several results of one day it is.
    """

    term: str | None
    phase: Phase
    course: int | None
    at_least: int | None
    at_most: int | None
    worse: bool | None
    places: tuple[Place, ...] = ()
    may_be_baseline: bool = False

    @classmethod
    def of(cls, entry: PatientGrade) -> "Graded":
        grade = entry.grade
        term = grade.term.name if grade.term else None
        bounds = (grade.at_least, grade.at_most)
        ambiguous = is_ambiguous(entry.phase, grade.flags, entry.baseline_grade)
        is_worse = entry.worse_than_baseline
        return cls(term, entry.phase, entry.course, *bounds, is_worse, entry.places, ambiguous)

    def within(self, phase: CertainPhase) -> bool | None:
        """Return whether it lies in a phase of the first course; None: possibly."""
        if self.phase == "unknown":
            return belongs(self.places, 0, (phase,))
        return self.phase == phase and not self.course


class TermSummary(msgspec.Struct, frozen=True, gc=False):
    """One term of one patient over the first course.

    ``worst_*``: the highest ``at_least`` of the phase, a valid lower bound; None where nothing was
    graded, or where nothing is decided and that bound is 0. ``worst_*_at_most``: the highest grade
    that is possible, also by results of unknown phase that may belong to it. ``worse_*``: whether a
    grade of the phase is worse than its own baseline; None: not known.
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
    """The highest bounds of the grades of a phase, and whether one of them is decided.

    ``worse``: one is worse than its own baseline; False: none is; None: not known, or no grades.
    """

    at_least: int | None = None
    at_most: int | None = None
    decided: bool = False
    worse: bool | None = None
    is_empty: bool = True

    def add(self, grade: Graded, *, certain: bool) -> None:
        """Add a grade; one that only possibly belongs here raises what is possible."""
        least, most = grade.at_least if certain else None, grade.at_most
        if most is None:
            return
        self.at_most = most if self.at_most is None else max(most, self.at_most)
        if least is not None:
            self.at_least = least if self.at_least is None else max(least, self.at_least)
        self.decided = self.decided or least == most
        verdict = grade.worse if certain or grade.worse is False else None
        if self.is_empty or verdict or (verdict is None and self.worse is False):
            self.worse = verdict
        self.is_empty = False

    @property
    def is_worse(self) -> bool | None:
        # Where no grade certainly lies in the phase, it may be that nothing was measured.
        return None if self.at_least is None else self.worse

    @property
    def shown(self) -> int | None:
        return self.at_least if self.at_least or self.decided else None


_PHASES: tuple[CertainPhase, ...] = ("acute", "late")


def summarise(grades: Iterable[Graded]) -> list[TermSummary]:
    """Return baseline and worst grades per term, in the order in which the terms first appear.

    The baseline of a term that several tests grade is the highest of theirs.
    """
    by_term: dict[str, dict[Phase, _Worst]] = {}
    for grade in grades:
        if grade.term is None or (grade.course and grade.phase != "unknown"):
            continue
        found = by_term.setdefault(grade.term, {})
        if grade.may_be_baseline:
            either = replace(grade, at_least=0)
            found.setdefault("baseline", _Worst()).add(either, certain=True)
        elif grade.phase == "baseline":
            found.setdefault("baseline", _Worst()).add(grade, certain=True)
        for phase in _PHASES:
            within = grade.within(phase)
            if within is not False:
                found.setdefault(phase, _Worst()).add(grade, certain=bool(within))
    return [_summary(term, found) for term, found in by_term.items()]


def _summary(term: str, found: Mapping[Phase, _Worst]) -> TermSummary:
    nothing = _Worst()
    baseline = found.get("baseline", nothing)
    acute, late = (found.get(phase, nothing) for phase in _PHASES)
    decided = baseline.at_least == baseline.at_most
    return TermSummary(
        term=term,
        baseline_grade=baseline.at_least if decided else None,
        worst_acute=acute.shown,
        worst_acute_at_most=acute.at_most,
        worst_late=late.shown,
        worst_late_at_most=late.at_most,
        worse_acute=acute.is_worse,
        worse_late=late.is_worse,
    )
