"""Why two graders differ over a result: the one thing that, taken as theirs, gives their grade."""

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
"""What they took differently: ``<5`` for 5, another unit, range or baseline, a number that was
rounded (or held in binary floating point), or, where none of these explains it, another rule.
"""

_HAIR = Decimal("1e-9")
"""Binary floating point errs by less, relatively, in the few operations of a grade."""

_ROUNDED = Decimal("0.005")
"""A conversion printed with three digits errs by no more."""


@dataclass(frozen=True, slots=True)
class Theirs:
    """What their data set says of a result; None where it has no such column, or nothing in it.

    ``grade`` is what they say; ``value``, ``baseline``, ``lln`` and ``uln`` are in ``unit`` (None:
    in ours). ``has_range`` and ``has_baseline``: whether they have such columns at all.
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
    """Read ``value``, ``unit``, ``lln``, ``uln``, ``baseline`` (String) and ``grade`` of a row."""

    def number(name: str) -> Decimal | None:
        try:
            return read_limit(row.get(name) or "").number
        except ParseError:
            return None

    return Theirs(
        row["grade"], number("value"), row.get("unit") or None, number("lln"), number("uln"),
        number("baseline"), has_range="uln" in row or "lln" in row, has_baseline="baseline" in row,
    )  # fmt: skip


def cause(
    ours: LabResult, before: LabResult | None, theirs: Theirs, term: Term, grader: TermGrader
) -> Cause:
    """The first of ``Cause`` that gives their grade; ``before`` is our baseline (None: there is
    none).
    """
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
    """Our result with one thing changed to what they have, or may have, taken."""
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
            yield "baseline", ours, _baseline(ours, own, theirs)
    for number in _nearby(ours, theirs):
        yield "rounding", replace(ours, value=Reported(number)), own


def _units(ours: LabResult, theirs: Theirs, grader: TermGrader) -> list[str]:
    """Their unit where it is another; where they name none, every unit of the analyte."""
    analyte = grader.names.analyte(ours.analyte)
    if analyte is None:
        return []
    if theirs.unit is None:
        return [unit.name for unit in analyte.units if unit.name != ours.unit]
    same = grader.names.unit(analyte, theirs.unit) == grader.names.unit(analyte, ours.unit or "")
    return [] if same else [theirs.unit]


def _baseline(ours: LabResult, own: Baseline, theirs: Theirs) -> LabResult | None:
    if theirs.baseline is None:
        return None
    alike = own if isinstance(own, LabResult) else ours
    return replace(alike, value=Reported(theirs.baseline), unit=theirs.unit or alike.unit)


def _nearby(ours: LabResult, theirs: Theirs) -> list[Decimal]:
    """Our value, a hair to either side; and theirs, where it is ours but for its last digits."""
    if ours.value is None:
        return []
    number = ours.value.number
    near = [number * (1 - _HAIR), number * (1 + _HAIR)]
    if theirs.value is not None and abs(theirs.value - number) <= number * _ROUNDED:
        near.append(theirs.value)
    return near
