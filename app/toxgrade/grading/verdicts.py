"""Whether a result reaches each limit of a term, or what is missing to decide that.

What a baseline may be is tried as whole cases: it was normal, it was beyond its own limit. A grade
lies between the lowest and the highest of the cases (``Hull``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from toxgrade.criteria.model import Condition, Reference, Term, Unit
from toxgrade.grading.abnormal_baseline import asked_side
from toxgrade.grading.flags import Reason
from toxgrade.grading.indicators import reaches, says_beyond
from toxgrade.grading.limits import INFINITY, ZERO, Interval, ResolvedLimit
from toxgrade.grading.normalize import NormalizedResult

_MISSING = {"ULN": Reason.MISSING_ULN, "LLN": Reason.MISSING_LLN}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of a result with a limit: whether it is reached; if None, what is missing.

    ``applies``: whether its condition is met (``if baseline > ULN``); True if it has none.
    """

    grade: int
    limit: ResolvedLimit
    holds: bool | None
    applies: bool | None = True
    causes: tuple[Reason, ...] = ()

    @property
    def condition(self) -> Condition | None:
        return self.limit.limit.condition

    @property
    def shown(self) -> bool:
        """Return whether it concerns this patient: not if the baseline fails its condition."""
        of_value = self.condition is None or self.condition.subject == "value"
        return self.applies is not False or of_value


@dataclass(frozen=True, slots=True)
class BaselineCase:
    """A whole case of what the baseline may be.

    ``value`` are its possible numbers, in ``unit`` (the result's, if it was never measured); None:
    graded by the limits of normal alone. ``beyond``: whether it was beyond ``side``, the
    limit of its own range that the term asks about. ``cause``: why its number is not known.
    ``higher``: it is above the value, whatever both are.
    """

    value: Interval | None
    unit: Unit
    beyond: bool
    side: Reference | None
    cause: Reason
    higher: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one case of the baseline."""

    case: BaselineCase
    verdicts: Sequence[Verdict]

    @property
    def bounds(self) -> tuple[int, int]:
        """Return the highest grade that is certainly reached, and the highest that may be."""
        at_least = max((v.grade for v in self.verdicts if v.holds), default=0)
        return at_least, max((v.grade for v in self.verdicts if v.holds is not False), default=0)

    @property
    def causes(self) -> set[Reason]:
        """Return what is missing to decide the grade in this case."""
        at_least, _ = self.bounds
        return {c for v in self.verdicts if v.grade > at_least for c in v.causes}


@dataclass(frozen=True, slots=True)
class Hull:
    """What is possible over all cases; ``cause``: why it is not known which case it is."""

    judged: Sequence[Judged]
    cause: Reason
    bounds: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        least, most = zip(*(each.bounds for each in self.judged), strict=True)
        object.__setattr__(self, "bounds", (min(least), max(most)))

    @property
    def causes(self) -> set[Reason]:
        """Return what is missing to decide the grade: in a case, or which case it is."""
        found = {cause for each in self.judged for cause in each.causes}
        differ = len({each.bounds for each in self.judged}) > 1
        return found | {self.cause} if differ else found


def hull(
    term: Term,
    limits: Sequence[tuple[int, ResolvedLimit]],
    result: NormalizedResult,
    before: NormalizedResult | None,
    *,
    range_only: bool,
) -> Hull:
    """Return what is possible of a result's grade, given its baseline (None: there is none).

    ``range_only``: by the limits of normal alone, as with a normal baseline.
    """
    side = asked_side(term)
    if range_only:
        cases = [BaselineCase(None, result.unit, False, side, Reason.MISSING_BASELINE)]
    else:
        cases = _cases(side, result, before, one_uln=term.one_uln)
    judged = [Judged(case, [_verdict(g, r, result, case) for g, r in limits]) for case in cases]
    return Hull(judged, _cause_of_case(side, before))


def _cause_of_case(side: Reference | None, before: NormalizedResult | None) -> Reason:
    known = side and before and not before.implausible_limit and before.reference(side)
    return Reason.CENSORED_VALUE if known else Reason.MISSING_BASELINE


def _cases(
    side: Reference | None,
    result: NormalizedResult,
    before: NormalizedResult | None,
    *,
    one_uln: bool,
) -> list[BaselineCase]:
    """Return the cases of the baseline that are possible; one where no condition asks about it.

    ``side``: the limit of normal that the term's conditions compare the baseline with.
    """
    unit = before.unit if before else result.unit
    cause = Reason.CENSORED_VALUE if before else Reason.MISSING_BASELINE
    value = before.value if before else Interval.between(None, None)
    beyond = before.beyond(side) if before and side else None
    if side is None or beyond is not None:
        return [BaselineCase(value, unit, bool(beyond), side, cause)]
    higher = before is None and one_uln and result.beyond(side) is False
    limit = _limit_of_baseline(side, result, before, one_uln=one_uln)
    if side == "ULN":
        normal, abnormal = Interval(Decimal(0), limit.high), Interval.between(limit.low, None)
    else:
        normal, abnormal = Interval(limit.low, INFINITY), Interval.between(None, limit.high)
    return [
        BaselineCase(value.meet(normal), unit, False, side, cause),
        BaselineCase(value.meet(abnormal), unit, True, side, cause, higher),
    ]


def _limit_of_baseline(
    side: Reference, result: NormalizedResult, before: NormalizedResult | None, *, one_uln: bool
) -> Interval:
    """Return what the baseline's own limit may be, in the unit of ``BaselineCase.value``."""
    if before is not None:
        return before.possible(side).converted(before.limit_unit.factor / before.unit.factor)
    if one_uln:
        return result.possible(side).converted(result.limit_unit.factor / result.unit.factor)
    return Interval.between(Decimal(0) if side == "ULN" else None, None)


def _verdict(
    grade: int, resolved: ResolvedLimit, result: NormalizedResult, case: BaselineCase
) -> Verdict:
    """Return whether a limit is reached, or what is missing to decide that."""
    holds, cause = _holds(resolved, result, case)
    applies, missing = _applies(resolved.limit.condition, result, case)
    if holds is False or applies is False:
        return Verdict(grade, resolved, False, applies)
    causes = (cause,) * (holds is None) + (missing,) * (applies is None)
    return Verdict(grade, resolved, None if causes else True, applies, causes)


_Answer = tuple[bool | None, Reason]
"""An answer, and what is missing where that is None."""


def _holds(resolved: ResolvedLimit, result: NormalizedResult, case: BaselineCase) -> _Answer:
    """Return whether the value reaches the limit, whatever its condition."""
    reference = resolved.limit.reference
    if reference is None:
        return resolved.holds(result.value, ZERO), Reason.CENSORED_VALUE
    if reference == "baseline":
        if case.value is None or case.higher:
            return False, case.cause
        return resolved.holds(result.value, case.value), case.cause
    holds, cause = resolved.holds(result.value, result.possible(reference)), Reason.CENSORED_VALUE
    if result.reference(reference) is None:
        cause = _MISSING[reference]
        if holds is None:
            holds = reaches(resolved.limit, beyond=says_beyond(result.indicator, reference))
    # The pH of venous blood is lower by some hundredths: what is below its LLN may be normal.
    if holds and result.venous and reference == "LLN":
        return None, Reason.OTHER_SPECIMEN
    return holds, cause


def _applies(condition: Condition | None, result: NormalizedResult, case: BaselineCase) -> _Answer:
    """Return whether a condition such as ``if baseline > ULN`` is met, by the baseline's own range.

    A result graded by the limits of normal alone counts as beyond its baseline in a condition that
    compares the two.
    """
    if condition is None:
        return True, Reason.CENSORED_VALUE
    if condition.subject == "baseline":
        return case.beyond is condition.wants_beyond, case.cause
    if condition.limit == "baseline":
        if case.value is None:
            return True, case.cause
        return result.compared(condition.comparison, case.value, case.unit), case.cause
    found = result.reference(condition.limit) is not None
    beyond = result.beyond(condition.limit)
    cause = Reason.CENSORED_VALUE if found else _MISSING[condition.limit]
    return (None if beyond is None else beyond is condition.wants_beyond), cause
