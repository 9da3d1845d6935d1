"""Where binary floating point sees a value beyond a limit that it equals exactly.

1.5 x 1.2 is 1.8, but 1.7999999999999998 in binary: a grader that computes so finds 1.8 above it.
5 x 40 is 200 in both; who finds 200 above that follows another rule. A sent 0.30000000000000004 is
read as 0.3, but above 0.3 as it stands.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import isclose

from msgspec.structs import replace

from toxgrade.criteria.model import Limit, Term, Unit
from toxgrade.grading.limits import Number, applicable
from toxgrade.grading.normalize import NormalizedResult, normalize
from toxgrade.grading.result import LabResult, Reported
from toxgrade.grading.units import Names

_ONE = Fraction(1)
FLOAT_ERROR = Decimal("1e-9")
"""Relative error that binary floating point does not reach in the few operations of a grade."""


def as_floats_see(
    result: LabResult, term: Term, baseline: LabResult | None, names: Names
) -> Iterator[LabResult]:
    """Yield the result as binary floating point may see it: a trace below a limit, or above it."""
    normalized = normalize(result, names, "flag")
    if not isinstance(normalized, NormalizedResult) or result.value is None:
        return
    before = normalize(baseline, names, "flag") if baseline else None
    before = before if isinstance(before, NormalizedResult) else None
    signs = {
        sign
        for criterion in term.grades
        for limit in applicable(criterion, normalized.unit, normalized.analyte)
        for sign in (*_signs(limit, normalized, before), *_noise(result, limit, normalized))
    }
    for sign in sorted(signs):
        yield replace(result, value=Reported(result.value.number * (1 + sign * FLOAT_ERROR)))


def _signs(
    limit: Limit, normalized: NormalizedResult, before: NormalizedResult | None
) -> Iterator[int]:
    """Yield 1 or -1 for each way of computing by which a value on the limit is off it."""
    found = _reference(limit, normalized, before)
    if found is None:
        return
    (reference, of_reference), unit, analyte = found, normalized.unit, normalized.analyte
    amount_unit = analyte.unit(limit.unit) if limit.unit else unit
    times = _ONE if of_reference is unit else of_reference.factor / unit.factor
    amount_times = _ONE if amount_unit is unit else amount_unit.factor / unit.factor
    value = normalized.value.low
    v, m, r, t = float(value), float(limit.multiple), float(reference), float(times)
    a, at = float(limit.amount), float(amount_times)
    if not isclose(v, m * r * t + a * at):  # So most are passed over without exact arithmetic.
        return
    amount = Fraction(limit.amount) * amount_times
    if Fraction(value) != Fraction(limit.multiple) * Fraction(reference) * times + amount:
        return
    ways = [(v, m * r * t + a * at), (v, m * (r * t) + a * at)]
    if not r:
        ways += [(v / at, a), (v * float(1 / amount_times), a)]
    elif not a:
        ways += [(v / (r * t), m), (v / t, m * r), (v * float(1 / times), m * r)]
    for one, other in ways:
        if one != other:
            yield 1 if one > other else -1


def _noise(result: LabResult, limit: Limit, normalized: NormalizedResult) -> Iterator[int]:
    """Yield 1 or -1 where numbers as they were sent are off a limit that they equal as read."""
    if result.value is None or limit.reference not in ("ULN", "LLN") or limit.amount:
        return
    sent = result.uln if limit.reference == "ULN" else result.lln
    read, reference = normalized.value.low, normalized.reference(limit.reference)
    ratio = normalized.limit_unit.factor / normalized.unit.factor * Fraction(limit.multiple)
    if sent is None or reference is None or Fraction(read) != ratio * Fraction(reference.low):
        return
    off = Fraction(result.value.number) - ratio * Fraction(sent)
    if off:
        yield 1 if off > 0 else -1


def _reference(
    limit: Limit, normalized: NormalizedResult, before: NormalizedResult | None
) -> tuple[Number, Unit] | None:
    """Return what the limit is a multiple of, with its unit; None where that is not known."""
    if limit.reference is None:
        return Decimal(0), normalized.unit
    if limit.reference == "baseline":
        return (before.value.low, before.unit) if before else None
    found = normalized.reference(limit.reference)
    return (found.low, normalized.limit_unit) if found else None
