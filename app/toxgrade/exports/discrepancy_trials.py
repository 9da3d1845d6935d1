"""What another grader may have taken otherwise: our result with one input changed to theirs."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Literal, overload

from msgspec.structs import replace

from toxgrade.exports.binary_rounding import FLOAT_ERROR
from toxgrade.exports.regrading import OurGrading
from toxgrade.exports.their_numbers import Relation, Theirs, Units, relation
from toxgrade.grading.digits import without_noise
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline
from toxgrade.grading.result import LabResult, Reported

Cause = Literal[
    "term", "edition", "censored", "baseline", "unit", "range", "rounding", "rule",
    "not-reproduced",
]  # fmt: skip
"""What the other grader took differently: another term, edition, unit, range or baseline, ``<5`` as
5, a number that was rounded (or held in binary floating point), or, if none of these explains it,
another rule. ``not-reproduced``: our own result, graded again as it stands, gives another grade.
"""

Trial = tuple[Cause, LabResult, Baseline]
"""Our result and its baseline with one input changed to theirs, and the cause that this tries."""


def shown_trials(
    our: OurGrading, theirs: Theirs, of_units: Units, *, uses_baseline: bool
) -> Iterator[Trial]:
    """Yield trials of every input in which their columns differ from ours, the likeliest first.

    ``uses_baseline``: the term that is graded compares with the baseline.
    """
    yield from _censored(our, theirs, of_units)
    if uses_baseline:
        yield from _other_baseline(our, theirs, of_units)
    yield from _misread_units(our, theirs, of_units)
    yield from _other_range(our, theirs, of_units)
    yield from _rounded(our, theirs, of_units)


def _censored(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Trial]:
    """Yield our ``<130`` as their value, or as 130; likewise that of the baseline."""
    result, baseline = our.result, our.baseline
    if result.value and result.value.comparator:
        yield "censored", _with_their_value(result, theirs, of_units), baseline
        yield "censored", replace(result, value=Reported(result.value.number)), baseline
    if isinstance(baseline, LabResult) and baseline.value and baseline.value.comparator:
        plain = replace(baseline, value=Reported(baseline.value.number))
        yield "censored", result, plain


def _other_baseline(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Trial]:
    """Yield our result with their baseline where that is another than ours, or none."""
    if our.by_range_only or _baseline_relation(our, theirs, of_units) != "other":
        return
    yield "baseline", our.result, their_baseline(our, theirs, of_units)
    if theirs.baseline is None:
        yield "baseline", our.result, REFERENCE_RANGE_ONLY


def _baseline_relation(our: OurGrading, theirs: Theirs, of_units: Units) -> Relation:
    """Return how their baseline relates to ours; the same where they have no such column."""
    if "baseline" not in theirs.columns:
        return "same"
    ours = our.baseline if isinstance(our.baseline, LabResult) else None
    number = ours.value.number if ours and ours.value else None
    return relation(number, theirs.baseline, of_units.factor(of_units.baseline))


def their_baseline(our: OurGrading, theirs: Theirs, of_units: Units) -> LabResult | None:
    """Return their baseline as a result like our baseline, or like ours where we have none."""
    if theirs.baseline is None:
        return None
    template = our.patient_baseline or our.result
    return replace(
        template,
        value=Reported(_as_held(theirs.baseline)),
        unit=of_units.theirs.name if of_units.theirs else template.unit,
        limit_unit=template.limit_unit or template.unit,
    )


def _misread_units(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Trial]:
    """Yield our numbers in the unit of their unit column: of the value alone, and of all."""
    if not of_units.misread or of_units.theirs is None:
        return
    result, unit, baseline = our.result, of_units.theirs.name, our.baseline
    own_limits = result.limit_unit or result.unit
    baselines = [baseline]
    if isinstance(baseline, LabResult):
        baselines.append(replace(baseline, unit=unit, limit_unit=None))
    for before in baselines:
        yield "unit", replace(result, unit=unit), before
        yield "unit", replace(result, unit=unit, limit_unit=own_limits), before
        ranged = _with_their_range(replace(result, unit=unit, limit_unit=None), theirs, unit)
        yield "unit", ranged, before


def _other_range(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Trial]:
    """Yield our result with their range where that is another, and the baseline with it too."""
    if _range_relation(our.result, theirs, of_units) != "other":
        return
    unit, baseline = _unit_of_range(our.result, of_units), our.baseline
    yield "range", _with_their_range(our.result, theirs, unit), baseline
    if isinstance(baseline, LabResult):
        ranged = _with_their_range(baseline, theirs, unit)
        yield "range", _with_their_range(our.result, theirs, unit), ranged


def _rounded(our: OurGrading, theirs: Theirs, of_units: Units) -> Iterator[Trial]:
    """Yield our result with those of their numbers that are ours rounded: one of them, or all."""
    result, baseline = our.result, our.baseline
    number = result.value.number if result.value else None
    results, baselines = [result], [baseline]
    if relation(number, theirs.value, of_units.factor(of_units.value)) == "rounded":
        results.append(_with_their_value(result, theirs, of_units))
    if _range_relation(result, theirs, of_units) == "rounded":
        unit = _unit_of_range(result, of_units)
        results += [_with_their_range(one, theirs, unit) for one in results]
    if _baseline_relation(our, theirs, of_units) == "rounded":
        baselines.append(their_baseline(our, theirs, of_units))
    for one, before in list(product(results, baselines))[1:]:
        yield "rounding", one, before


def _range_relation(result: LabResult, theirs: Theirs, of_units: Units) -> Relation:
    """Return how the limits that they have a column for relate to ours: the one furthest off."""
    factor = of_units.factor(of_units.limits)
    found = {
        relation(ours, limit, factor)
        for name, ours, limit in (("lln", result.lln, theirs.lln), ("uln", result.uln, theirs.uln))
        if name in theirs.columns
    }
    return "other" if "other" in found else "rounded" if "rounded" in found else "same"


def _unit_of_range(result: LabResult, of_units: Units) -> str | None:
    """Return the unit that their limits are in."""
    if of_units.theirs is None or of_units.misread:
        return result.limit_unit or result.unit
    return of_units.theirs.name


def _with_their_range(result: LabResult, theirs: Theirs, unit: str | None) -> LabResult:
    """Return our result with their limits, in ``unit``; a limit without a column stays ours."""
    same_unit = unit == (result.limit_unit or result.unit)
    lln, uln = (result.lln, result.uln) if same_unit else (None, None)
    return replace(
        result,
        lln=_as_held(theirs.lln) if "lln" in theirs.columns else lln,
        uln=_as_held(theirs.uln) if "uln" in theirs.columns else uln,
        limit_unit=unit,
        unreadable_limit=False,
        indicator=None,
    )


def _with_their_value(result: LabResult, theirs: Theirs, of_units: Units) -> LabResult:
    """Return our result with their value, if they have one, and our limits."""
    if theirs.value is None:
        return result
    unit = of_units.theirs.name if of_units.theirs else result.unit
    return replace(
        result,
        value=Reported(_as_held(theirs.value)),
        unit=unit,
        limit_unit=result.limit_unit or result.unit,
    )


@overload
def _as_held(number: Decimal) -> Decimal: ...
@overload
def _as_held(number: Decimal | None) -> Decimal | None: ...
def _as_held(number: Decimal | None) -> Decimal | None:
    """Return a number so that grading keeps the noise of binary arithmetic by which it is off.

    0.7999999999999999 would be read as 0.8; it becomes 0.7999999992, which is below 0.8 as well.
    """
    plain = without_noise(number)
    if number is None or plain is None or plain == number:
        return number
    return plain * (1 + FLOAT_ERROR if number > plain else 1 - FLOAT_ERROR)
