"""Exact, three-valued comparison of a value with a limit in the value's unit.

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
"""Products of numbers of at most 30 digits always fit; one that did not would raise."""

INFINITY = Decimal("Infinity")
"""The end of an interval that has none."""

Number = Decimal | Fraction
"""An exact number; a fraction where one was converted from another unit."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers that one may be, from ``low`` to ``high``, each end open or closed."""

    low: Number
    high: Number
    low_open: bool = False
    high_open: bool = False

    @classmethod
    def of(cls, reported: Reported) -> "Interval":
        """Return the interval of a reported number; ``<5`` is [0, 5), as no value is negative."""
        number = reported.number
        match reported.comparator:
            case "<" | "<=":
                return cls(Decimal(0), number, high_open=reported.comparator == "<")
            case ">" | ">=":
                return cls(number, INFINITY, low_open=reported.comparator == ">")
            case _:
                return cls(number, number)

    @classmethod
    def between(cls, low: Number | None, high: Number | None) -> "Interval":
        """Return the numbers above ``low`` and below ``high``; None: from 0, or without end."""
        return cls(
            Decimal(0) if low is None else low,
            INFINITY if high is None else high,
            low_open=low is not None,
            high_open=True,
        )

    def meet(self, other: "Interval") -> "Interval":
        """Return the numbers that are in both; call it where there are some."""
        low = max((self.low, self.low_open), (other.low, other.low_open))
        high = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low[0], high[0], low[1], not high[1])

    def converted(self, factor: Fraction) -> "Interval":
        """Return the interval in another unit, of which ``factor`` make one of this."""
        if factor == 1:
            return self
        high = self.high if self.high == INFINITY else Fraction(self.high) * factor
        return Interval(Fraction(self.low) * factor, high, self.low_open, self.high_open)

    def times(self, factor: int, plus: int = 0) -> "Interval":
        """Return the interval times ``factor`` (not negative), plus ``plus``."""
        return Interval(
            self.low * factor + plus, self.high * factor + plus, self.low_open, self.high_open
        )


def above(value: Interval, limit: Interval, *, or_equal: bool) -> bool | None:
    """Return whether ``value`` is above ``limit``; None if possible pairs of numbers disagree."""
    if value.low > limit.high:
        return True
    if value.low == limit.high and (or_equal or value.low_open or limit.high_open):
        return True
    if value.high > limit.low:
        return None
    touches = or_equal and not value.high_open and not limit.low_open
    return None if value.high == limit.low and touches else False


ZERO = Interval(Decimal(0), Decimal(0))
"""The reference of an absolute limit."""


@dataclass(frozen=True, slots=True)
class ResolvedLimit:
    """A limit in whole numbers, for a value in one unit and a reference in the same or another."""

    limit: Limit
    value_times: int
    reference_times: int
    plus: int

    def holds(self, value: Interval, reference: Interval) -> bool | None:
        """Return whether the value reaches the limit; None if that is not decided.

        ``reference`` is the ULN, LLN or baseline that the limit names; ``ZERO`` for an absolute
        one. Call it in the context ``EXACT``.
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
    """Return ``limit`` in whole numbers for a value and references in the given units."""
    reference_unit = baseline_unit if limit.reference == "baseline" else limit_unit
    multiple = Fraction(limit.multiple) * reference_unit.factor / unit.factor
    amount_unit = analyte.unit(limit.unit) if limit.unit else unit
    plus = Fraction(limit.amount) * amount_unit.factor / unit.factor
    common = math.lcm(multiple.denominator, plus.denominator)
    return ResolvedLimit(limit, common, int(multiple * common), int(plus * common))


def applicable(criterion: GradeCriterion, unit: Unit, analyte: Analyte) -> Iterable[Limit]:
    """Return the limits of a grade that apply to a value in ``unit``.

    NCI prints some limits in several unit systems that are not exact conversions of each other. The
    limit in the value's own unit applies, else one of the same kind (mass, molar), which an exact
    factor converts, else the first printed.
    """
    chosen: dict[object, Limit] = {}
    for limit in criterion.limits:
        key = (limit.multiple, limit.reference, limit.condition, limit.unit is None)
        best = chosen.get(key)
        if best is None or _distance(limit, unit, analyte) < _distance(best, unit, analyte):
            chosen[key] = limit
    return chosen.values()


def _distance(limit: Limit, unit: Unit, analyte: Analyte) -> int:
    """Return 0 for a limit in ``unit`` or without a unit, 1 for one of its kind, else 2."""
    if limit.unit is None or limit.unit == unit.name:
        return 0
    return 1 if analyte.unit(limit.unit).kind == unit.kind else 2
