"""Summary of a patient's grades: per term the baseline, worst acute and worst late grade."""

from collections.abc import Iterable, Mapping

import msgspec

from toxgrade.grading.phase import belongs
from toxgrade.grading.result import AFTER_START, CertainPhase, PatientGrade, Phase, Place
from toxgrade.grading.worst_grade import NOT_MEASURED, Bounds, highest, is_ambiguous


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

    @property
    def counts(self) -> bool:
        """Return whether it is of a term and may be of the first course."""
        return self.term is not None and (not self.course or self.phase == "unknown")

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
    grade of the phase is worse than its own baseline; None: not known, or nothing certainly of the
    phase was graded.
    """

    term: str
    baseline_grade: int | None
    worst_acute: int | None
    worst_acute_at_most: int | None
    worst_late: int | None
    worst_late_at_most: int | None
    worse_acute: bool | None
    worse_late: bool | None


PhaseBounds = dict[Phase, Bounds]
"""The bounds of a term's grades as the baseline, in the acute and in the late phase."""


def summarise(grades: Iterable[Graded]) -> list[TermSummary]:
    """Return baseline and worst grades per term, in the order in which the terms first appear.

    The baseline of a term that several tests grade is the highest of theirs.
    """
    by_term: dict[str, PhaseBounds] = {}
    for grade in grades:
        if grade.counts and grade.term is not None:
            add_grade(by_term.setdefault(grade.term, {}), grade)
    return [term_summary(term, found) for term, found in by_term.items()]


def add_grade(found: PhaseBounds, grade: Graded) -> None:
    """Raise the bounds of a term by one more grade of it, which ``counts``."""
    if grade.at_most is None:  # What could not be graded at all says nothing.
        return
    decided = grade.at_least == grade.at_most
    bounds = Bounds(grade.at_least, grade.at_most, decided, grade.worse)
    if grade.may_be_baseline:
        _raise(found, "baseline", Bounds(0, grade.at_most, decided=False))
    elif grade.phase == "baseline":
        _raise(found, "baseline", bounds)
    for phase in AFTER_START:
        within = grade.within(phase)
        if within is not False:
            _raise(found, phase, bounds if within else bounds.possible)


def _raise(found: PhaseBounds, phase: Phase, bounds: Bounds) -> None:
    known = found.get(phase)
    found[phase] = bounds if known is None else highest((known, bounds)) or bounds


def term_summary(term: str, found: Mapping[Phase, Bounds]) -> TermSummary:
    """Return the summary of a term from the bounds of its grades."""
    phases: tuple[Phase, ...] = ("baseline", *AFTER_START)
    baseline, acute, late = (found.get(phase, NOT_MEASURED) for phase in phases)
    return TermSummary(
        term=term,
        baseline_grade=baseline.at_least if baseline.at_least == baseline.at_most else None,
        worst_acute=acute.shown,
        worst_acute_at_most=acute.at_most,
        worst_late=late.shown,
        worst_late_at_most=late.at_most,
        worse_acute=acute.is_worse,
        worse_late=late.is_worse,
    )
