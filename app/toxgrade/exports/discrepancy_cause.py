"""Why two graders differ over a result: the input that, changed to theirs, gives their grade."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from msgspec.structs import replace

from toxgrade.criteria.model import Term
from toxgrade.errors import ParseError
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline, TermGrader
from toxgrade.grading.parse import read_limit
from toxgrade.grading.result import LabResult, Reported

Cause = Literal["censored", "unit", "range", "baseline", "rounding", "rule"]
"""What the other grader took differently: ``<5`` as 5, another unit, range or baseline, a number
that was rounded (or held in binary floating point), or, if none of these explains it, another rule.
"""

_FLOAT_ERROR = Decimal("1e-9")
"""Relative error that binary floating point does not reach in the few operations of a grade."""

_ROUNDING_ERROR = Decimal("0.005")
"""Largest relative error of a conversion that is printed with three digits."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """What their data set has for a result; None where a column is absent or empty.

    ``value``, ``baseline``, ``lln`` and ``uln`` are in ``unit`` (None: in ours). ``has_range`` and
    ``has_baseline``: whether they have such columns at all.
    """

    grade: int | None
    value: Decimal | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    has_range: bool = False
    has_baseline: bool = False


def read_theirs(row: Mapping[str, Any]) -> Theirs:
    """Return a row's ``value``, ``unit``, ``lln``, ``uln``, ``baseline`` (texts) and ``grade``."""

    def number(name: str) -> Decimal | None:
        try:
            return read_limit(row.get(name) or "").number
        except ParseError:
            return None

    return Theirs(
        row["grade"], number("value"), row.get("unit") or None, number("lln"), number("uln"),
        number("baseline"), has_range="uln" in row or "lln" in row, has_baseline="baseline" in row,
    )  # fmt: skip


def find_cause(
    ours: LabResult, before: LabResult | None, theirs: Theirs, term: Term, grader: TermGrader
) -> Cause:
    """Return the first cause that gives their grade; ``before``: our baseline, None if none."""
    own: Baseline = before if term.uses_baseline else REFERENCE_RANGE_ONLY
    for found, lab, baseline in _trials(ours, own, theirs, grader):
        grade = grader.grade(lab, term, baseline)
        decided = grade.at_least if grade.at_least == grade.at_most else None
        if decided is not None and decided == theirs.grade:
            return found
    return "rule"


def _trials(
    ours: LabResult, own: Baseline, theirs: Theirs, grader: TermGrader
) -> Iterator[tuple[Cause, LabResult, Baseline]]:
    """Yield our result and baseline with one input changed to what they took, or may have taken."""
    if ours.value and ours.value.comparator:
        yield "censored", replace(ours, value=Reported(ours.value.number)), own
    for unit in _units(ours, theirs, grader):
        yield "unit", replace(ours, unit=unit), own
        yield "unit", replace(ours, unit=unit, limit_unit=ours.limit_unit or ours.unit), own
    if theirs.has_range:
        in_unit = theirs.unit or ours.limit_unit or ours.unit
        yield "range", replace(ours, lln=theirs.lln, uln=theirs.uln, limit_unit=in_unit), own
    yield "range", replace(ours, lln=None, uln=None), own
    if own is not REFERENCE_RANGE_ONLY:
        yield "baseline", ours, REFERENCE_RANGE_ONLY
        if theirs.has_baseline:
            yield "baseline", ours, _their_baseline(ours, own, theirs)
    for number in _nearby(ours, theirs):
        yield "rounding", replace(ours, value=Reported(number)), own


def _units(ours: LabResult, theirs: Theirs, grader: TermGrader) -> list[str]:
    """Return their unit if it is another; if they name none, the analyte's other units."""
    analyte = grader.names.analyte(ours.analyte)
    if analyte is None:
        return []
    if theirs.unit is None:
        return [unit.name for unit in analyte.units if unit.name != ours.unit]
    same = grader.names.unit(analyte, theirs.unit) == grader.names.unit(analyte, ours.unit or "")
    return [] if same else [theirs.unit]


def _their_baseline(ours: LabResult, own: Baseline, theirs: Theirs) -> LabResult | None:
    """Return their baseline as a result like our baseline, or like ours where we have none."""
    if theirs.baseline is None:
        return None
    template = own if isinstance(own, LabResult) else ours
    return replace(template, value=Reported(theirs.baseline), unit=theirs.unit or template.unit)


def _nearby(ours: LabResult, theirs: Theirs) -> list[Decimal]:
    """Return our value with a floating point error either way, and theirs if it is ours rounded."""
    if ours.value is None:
        return []
    number = ours.value.number
    near = [number * (1 - _FLOAT_ERROR), number * (1 + _FLOAT_ERROR)]
    if theirs.value is not None and abs(theirs.value - number) <= number * _ROUNDING_ERROR:
        near.append(theirs.value)
    return near
