"""The panels of a patient's timeline: results on an axis, and the bands of the grades."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from toxgrade.criteria.model import Analyte, Condition, GradeCriterion, Limit, Term
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import applicable
from toxgrade.grading.normalize import NormalizedResult
from toxgrade.grading.result import Phase

X_ULN = "x ULN"


@dataclass(frozen=True, slots=True)
class Point:
    """One result; ``number`` in the unit of its panel, None if that needs a missing ULN.

    ``day`` None: undated. ``at_least`` and ``at_most``: the highest over the terms of its analyte.
    ``holds`` False: the result is corrected, withdrawn or not final.
    """

    day: date | None
    number: float | None
    shown: str
    at_least: int | None
    at_most: int | None
    phase: Phase
    holds: bool


@dataclass(frozen=True, slots=True)
class Band:
    """The span of a grade on the axis of a panel; None: it has no end on that side."""

    grade: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One analyte; ``unit`` is ``x ULN`` if all its limits are multiples of ULN or baseline."""

    analyte: Analyte
    unit: str
    points: tuple[Point, ...]
    bands: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A clinician's current grade."""

    day: date
    term: str
    grade: int


@dataclass(frozen=True, slots=True)
class TimelineResult:
    """A result, normalized, with the bounds and phase of its newest grades."""

    measured: NormalizedResult
    day: date | None
    shown: str
    at_least: int | None
    at_most: int | None
    phase: Phase
    holds: bool


def panels(
    results: Iterable[TimelineResult], grader: TermGrader, order: Iterable[str]
) -> tuple[Panel, ...]:
    """Return the panels of the analytes that have a term, in the order of these names."""
    by_analyte: dict[str, list[TimelineResult]] = {}
    for result in results:
        by_analyte.setdefault(result.measured.analyte.name, []).append(result)
    shown = [name for name in order if name in by_analyte and grader.terms(name)]
    return tuple(_panel(by_analyte[name], grader) for name in shown)


def _panel(found: Sequence[TimelineResult], grader: TermGrader) -> Panel:
    """Return the panel of one analyte; its bands follow the range of the last current result."""
    analyte = found[0].measured.analyte
    terms = grader.terms(analyte.name)
    unit = X_ULN if all(_by_uln(term) for term in terms) else analyte.canonical_unit
    points = tuple(
        Point(r.day, _float(_number(r.measured, unit)), r.shown, r.at_least, r.at_most, r.phase,
              r.holds)
        for r in found
    )  # fmt: skip
    current = [r for r in found if r.holds] or found
    baseline = next((r.measured for r in current if r.phase == "baseline"), None)
    bands = _Bands(current[-1].measured, baseline, unit)
    return Panel(analyte, unit, points, tuple(b for term in terms for b in bands.of(term)))


def _by_uln(term: Term) -> bool:
    limits = [limit for criterion in term.grades for limit in criterion.limits]
    return all(limit.reference in ("ULN", "baseline") and not limit.unit for limit in limits)


def _number(measured: NormalizedResult, unit: str) -> Fraction | None:
    """Return the reported number in the panel's unit; None for a multiple of ULN without a ULN."""
    number = Fraction(measured.reported.number) * measured.unit.factor
    if unit != X_ULN:
        return number
    limit = measured.uln
    return number / (Fraction(limit.low) * measured.limit_unit.factor) if limit else None


def _float(number: Fraction | None) -> float | None:
    return None if number is None else float(number)


@dataclass(frozen=True, slots=True)
class _Bands:
    """The limits of grades as numbers on a panel's axis, by the reference range of ``last``."""

    last: NormalizedResult
    baseline: NormalizedResult | None
    unit: str

    def of(self, term: Term) -> list[Band]:
        """Return the bands of a term; each ends where the next begins, the last has no end."""
        ends = [(c.grade, end) for c in term.grades if (end := self._end(c, term)) is not None]
        if not ends:  # Each limit is a multiple of a range or a baseline that is missing.
            return []
        following = [end for _, end in ends[1:]] + [None]
        spans = [
            (g, float(end), _float(after)) for (g, end), after in zip(ends, following, strict=True)
        ]
        if term.direction == "high":
            return [Band(grade, near, far) for grade, near, far in spans]
        return [Band(grade, far, near) for grade, near, far in spans]

    def _end(self, criterion: GradeCriterion, term: Term) -> Fraction | None:
        """Return the end of a grade nearer to normal; of alternatives the one reached first."""
        analyte = self.last.analyte
        unit = analyte.unit(analyte.canonical_unit)
        limits = applicable(criterion, unit, analyte)
        numbers = [n for n in map(self._limit, limits) if n is not None]
        if not numbers:
            return None
        return min(numbers) if term.direction == "high" else max(numbers)

    def _limit(self, limit: Limit) -> Fraction | None:
        """Return a limit in the panel's unit; None if it does not apply or lacks a reference."""
        if limit.condition is not None and not self._applies(limit.condition):
            return None
        amount = Fraction(limit.amount)
        if limit.unit:
            amount *= self.last.analyte.unit(limit.unit).factor
        if limit.reference is None:
            return amount
        reference = self._reference(limit)
        return None if reference is None else Fraction(limit.multiple) * reference + amount

    def _applies(self, condition: Condition) -> bool:
        """Return whether the baseline meets it; conditions on each single value make no band."""
        if condition.subject == "value" or condition.limit == "baseline":
            return False
        beyond = self.baseline.beyond(condition.limit) if self.baseline else False
        return beyond is condition.wants_beyond

    def _reference(self, limit: Limit) -> Fraction | None:
        if limit.reference == "baseline":
            return _number(self.baseline, self.unit) if self.baseline else None
        if self.unit == X_ULN:
            return Fraction(1)
        known = self.last.reference(limit.reference or "ULN")
        return Fraction(known.low) * self.last.limit_unit.factor if known else None
