"""Another grader's numbers for a result beside ours: the same, rounded, converted, or others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from toxgrade.criteria.model import Unit
from toxgrade.errors import ParseError
from toxgrade.grading.parse import read_limit
from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names

Relation = Literal["same", "rounded", "other"]

_CONVERSION_ERROR = Fraction(1, 200)
"""Largest relative error of a conversion that is printed with three digits."""
_ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Theirs:
    """What their data set has for a result; None where a column is absent or empty.

    ``value``, ``baseline``, ``lln`` and ``uln`` are in ``unit`` (None: they name none). ``term``
    and ``edition``: what they say that they graded by. ``columns``: which of these they have.
    """

    grade: int
    value: Decimal | None = None
    unit: str | None = None
    lln: Decimal | None = None
    uln: Decimal | None = None
    baseline: Decimal | None = None
    term: str | None = None
    edition: str | None = None
    columns: frozenset[str] = frozenset()


def read_theirs(grade: int, texts: Mapping[str, str | None], columns: frozenset[str]) -> Theirs:
    """Return their grade and the ``their_…`` texts, parsed; what is no number counts as none."""

    def number(name: str) -> Decimal | None:
        try:
            return read_limit(texts[f"their_{name}"] or "").number
        except ParseError:
            return None

    return Theirs(
        grade, number("value"), texts["their_unit"] or None, number("lln"), number("uln"),
        number("baseline"), texts["their_term"], texts["their_edition"], columns,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Units:
    """The units of our value, limits and baseline, and of their numbers; None: not known.

    ``misread``: their unit column names another unit for our very number.
    """

    value: Unit | None
    limits: Unit | None
    baseline: Unit | None
    theirs: Unit | None
    misread: bool = False

    def factor(self, ours: Unit | None) -> Fraction:
        """Return by what their numbers are multiplied to be compared with ours in that unit."""
        if self.misread or self.theirs is None or ours is None:
            return _ONE
        return self.theirs.factor / ours.factor


def units(ours: LabResult, baseline: LabResult | None, theirs: Theirs, names: Names) -> Units:
    """Return the units of a result and its baseline, and of theirs: as named, or as they show."""
    analyte = names.analyte(ours.analyte)
    if analyte is None:
        return Units(None, None, None, None)
    unit = names.unit(analyte, ours.unit or "")
    of_limits = names.unit(analyte, ours.limit_unit) if ours.limit_unit else unit
    of_baseline = names.unit(analyte, baseline.unit or "") if baseline else None
    known = Units(unit, of_limits, of_baseline, theirs=unit)
    named = names.unit(analyte, theirs.unit) if theirs.unit else None
    number = ours.value.number if ours.value else None
    if named is not None:
        return replace(known, theirs=named, misread=_misread(number, unit, theirs.value, named))
    if unit is None or number is None or theirs.value is None:
        return known
    if relation(number, theirs.value, _ONE) != "other":
        return known
    factors = [(other, other.factor / unit.factor) for other in analyte.units]
    fitting = (u for u, times in factors if relation(number, theirs.value, times) != "other")
    return replace(known, theirs=next(fitting, unit))


def _misread(
    number: Decimal | None, unit: Unit | None, theirs: Decimal | None, named: Unit
) -> bool:
    """Return whether they have our number in another unit, not the number converted to it."""
    if unit is None:
        return True
    times = named.factor / unit.factor
    if times == _ONE:
        return False
    if theirs is None:
        return True
    as_written, converted = relation(number, theirs, _ONE), relation(number, theirs, times)
    return converted != "same" and (
        as_written == "same" or (as_written == "rounded" and converted == "other")
    )


def relation(ours: Decimal | None, theirs: Decimal | None, factor: Fraction) -> Relation:
    """Return how their number times ``factor`` relates to ours.

    It is ``rounded`` if they differ by less than 1 in the last digit of either, as what is rounded
    or cut off; a converted number (``factor`` is not 1) also by the error of a conversion.
    """
    if ours is None or theirs is None:
        return "same" if ours is theirs else "other"
    if factor == _ONE and ours == theirs:
        return "same"
    ours_number = Fraction(ours)
    apart = abs(Fraction(theirs) * factor - ours_number)
    if apart == 0:
        return "same"
    last_digit = max(_last_digit(ours), _last_digit(theirs) * factor)
    tolerance = last_digit if factor == _ONE else max(last_digit, ours_number * _CONVERSION_ERROR)
    return "rounded" if apart < tolerance else "other"


def _last_digit(number: Decimal) -> Fraction:
    """Return what 1 in the last digit that is not 0 means, at most 1: 0.01 for 1.230."""
    exponent = number.normalize().as_tuple().exponent
    return Fraction(10) ** min(0, exponent) if isinstance(exponent, int) else _ONE
