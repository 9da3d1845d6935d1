"""Comparing exactly: limits brought to the unit of the value, and three-valued comparison.

Every limit becomes ``value_times x value  >  reference_times x reference + plus`` (or >=, <, <=) in
whole numbers, so that no division and no rounding ever happens: bilirubin 1.8 mg/dL against
1.5 x ULN 1.2 is ``2 x 1.8 > 3 x 1.2``, which is false.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from toxgrade.criteria.model import Analyte, GradeCriterion, Limit, Unit
from toxgrade.grading.result import Reported

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""Products of numbers of at most 30 digits always fit; if one ever did not, it raises."""

_INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Interval:
    """What is known of a number: every number from ``low`` to ``high``, ends open or closed."""

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, reported: Reported) -> "Interval":
        """``<5`` is [0, 5): laboratory values are never negative."""
        number = reported.number
        match reported.comparator:
            case "<" | "<=":
                return cls(Decimal(0), number, high_open=reported.comparator == "<")
            case ">" | ">=":
                return cls(number, _INFINITY, low_open=reported.comparator == ">")
            case _:
                return cls(number, number)

    def times(self, factor: int, plus: int = 0) -> "Interval":
        return Interval(
            self.low * factor + plus, self.high * factor + plus, self.low_open, self.high_open
        )


def above(value: Interval, limit: Interval, *, or_equal: bool) -> bool | None:
    """Whether ``value`` lies above ``limit``; None where possible pairs of numbers disagree."""
    if value.low > limit.high:
        return True
    if value.low == limit.high and (or_equal or value.low_open or limit.high_open):
        return True
    if value.high > limit.low:
        return None
    touches = or_equal and not value.high_open and not limit.low_open
    return None if value.high == limit.low and touches else False


ZERO = Interval(Decimal(0), Decimal(0))
"""What an absolute limit is relative to."""


@dataclass(frozen=True, slots=True)
class ResolvedLimit:
    """A limit in whole numbers, for a value in one unit and a reference in this or another one."""

    limit: Limit
    value_times: int
    reference_times: int
    plus: int

    def holds(self, value: Interval, reference: Interval) -> bool | None:
        """Whether the value reaches the limit; None if what is known cannot say.

        ``reference`` is the ULN, LLN or baseline that the limit names; ``ZERO`` for an absolute
        one. Use inside a context of ``EXACT``.
        """
        scaled = value.times(self.value_times)
        bound = reference.times(self.reference_times, self.plus)
        or_equal = "=" in self.limit.comparison
        if self.limit.comparison in (">", ">="):
            return above(scaled, bound, or_equal=or_equal)
        return above(bound, scaled, or_equal=or_equal)


def resolve(
    limit: Limit, unit: Unit, limit_unit: Unit, baseline_unit: Unit, analyte: Analyte
) -> ResolvedLimit:
    """Bring ``limit`` to a value in ``unit``, with ULN and LLN in ``limit_unit``."""
    reference_unit = baseline_unit if limit.reference == "baseline" else limit_unit
    multiple = Fraction(limit.multiple) * reference_unit.factor / unit.factor
    amount_unit = analyte.unit(limit.unit) if limit.unit else unit
    plus = Fraction(limit.amount) * amount_unit.factor / unit.factor
    common = math.lcm(multiple.denominator, plus.denominator)
    return ResolvedLimit(limit, common, int(multiple * common), int(plus * common))


def applicable(criterion: GradeCriterion, unit: Unit, analyte: Analyte) -> Iterable[Limit]:
    """The limits of a grade that apply to a value in ``unit``.

    NCI prints some limits in several unit systems, and they are not exact conversions of each
    other: the one printed in the value's own unit applies, else one of the same kind (mass, molar),
    which reaches it by an exact factor, else the first printed.
    """
    chosen: dict[object, Limit] = {}
    for limit in criterion.limits:
        key = (limit.multiple, limit.reference, limit.condition, limit.unit is None)
        best = chosen.get(key)
        if best is None or _distance(limit, unit, analyte) < _distance(best, unit, analyte):
            chosen[key] = limit
    return chosen.values()


def _distance(limit: Limit, unit: Unit, analyte: Analyte) -> int:
    if limit.unit is None or limit.unit == unit.name:
        return 0
    return 1 if analyte.unit(limit.unit).kind == unit.kind else 2
