"""Normalisation of a result: its analyte, unit and limits, or the first reason against it."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from toxgrade.criteria.model import Analyte, Band, Comparison, Reference, Unit
from toxgrade.grading.digits import without_noise
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.indicators import Indicator, read_indicator, says_beyond
from toxgrade.grading.limits import INFINITY, ZERO, Interval, above
from toxgrade.grading.result import LabResult, Reported
from toxgrade.grading.units import Names

Implausible = Literal["refuse", "flag"]
"""What to do with a number outside the plausible bands: leave it ungraded, or flag its grade."""


@dataclass(frozen=True, slots=True)
class NormalizedResult:
    """A result of a known analyte and unit, whose numbers can be compared.

    ``lln`` and ``uln`` are in ``limit_unit``, None where there is no usable one.
    ``implausible_limit``: one of them is outside the plausible band and the rules refuse that.
    ``venous``: the test is graded from arterial blood, but the sample is venous. ``indicator`` is
    the sender's flag, None also where it contradicts a limit. ``value`` is what ``reported`` may
    be, by its comparator and that flag.
    """

    reported: Reported
    value: Interval
    analyte: Analyte
    unit: Unit
    limit_unit: Unit
    lln: Interval | None
    uln: Interval | None
    flags: tuple[Flag, ...]
    implausible_limit: bool
    venous: bool = False
    indicator: Indicator | None = None

    def reference(self, name: Reference) -> Interval | None:
        """Return the ULN or the LLN; None if unknown. The baseline is not part of the result."""
        return self.uln if name == "ULN" else self.lln

    def possible(self, name: Reference) -> Interval:
        """Return what the ULN or LLN may be, in ``limit_unit``; a ULN is above 0."""
        known = None if self.implausible_limit else self.reference(name)
        return known or Interval.between(Decimal(0) if name == "ULN" else None, None)

    def beyond(self, name: Reference) -> bool | None:
        """Return whether the value is above its own ULN or below its own LLN; None if unknown.

        Where that limit was not sent, the indicator may say it.
        """
        if self.implausible_limit:
            return None
        beyond = self.compared(">" if name == "ULN" else "<", self.possible(name), self.limit_unit)
        if beyond is None and self.reference(name) is None:
            return says_beyond(self.indicator, name)
        return beyond

    @property
    def said(self) -> Indicator | None:
        """Return what its indicator says where that tells more than the numbers; None otherwise."""
        complete = self.lln is not None and self.uln is not None
        return None if complete and self.value == Interval.of(self.reported) else self.indicator

    def silent(self) -> "NormalizedResult":
        """Return the result as it would be without its indicator."""
        return replace(self, indicator=None, value=Interval.of(self.reported))

    def compared(self, comparison: Comparison, other: Interval, unit: Unit) -> bool | None:
        """Return whether the value is above (``>``) or below (``<``) another; None if unknown."""
        to_value = unit.factor / self.unit.factor
        value, bound = self.value.times(to_value.denominator), other.times(to_value.numerator)
        if comparison == ">":
            return above(value, bound, or_equal=False)
        return above(bound, value, or_equal=False)


def normalize(
    result: LabResult, names: Names, implausible: Implausible
) -> NormalizedResult | Reason:
    """Return the normalised result, or the first reason against it; needs the context ``EXACT``.

    Numbers of more than 15 significant digits are read to 15.
    """
    read = _understood(result, names)
    if isinstance(read, Reason):
        return read
    analyte, unit, value = read
    plausible = _within(value, unit, analyte.value_band(unit))
    if not plausible and implausible == "refuse":
        return Reason.IMPLAUSIBLE_VALUE
    flags = [] if plausible else [Flag.IMPLAUSIBLE_VALUE]

    limit_unit, lln, uln = _limits(result, analyte, unit, names, flags)
    if value != result.value or any(n != without_noise(n) for n in (result.lln, result.uln)):
        flags.append(Flag.BINARY_NOISE)
    venous = bool(analyte.venous) and (
        names.specimen(result.specimen) == "venous" or names.is_venous(result.analyte)
    )
    if venous:
        flags.append(Flag.VENOUS_SAMPLE)
    trusted = (lln is None or _within(lln, limit_unit, analyte.plausible_lln)) and (
        uln is None or _within(uln, limit_unit, analyte.plausible_uln)
    )
    if not trusted and implausible == "flag":
        flags.append(Flag.IMPLAUSIBLE_LIMIT)
    found = NormalizedResult(
        reported=value,
        value=Interval.of(value),
        analyte=analyte,
        unit=unit,
        limit_unit=limit_unit,
        lln=Interval.of(lln) if lln else None,
        uln=Interval.of(uln) if uln else None,
        flags=tuple(flags),
        implausible_limit=not trusted and implausible == "refuse",
        venous=venous,
    )
    said = read_indicator(result.indicator)
    return found if said is None else _with_indicator(found, said)


def _understood(result: LabResult, names: Names) -> tuple[Analyte, Unit, Reported] | Reason:
    """Return the analyte, unit and value of a result, or the first reason why one is not known."""
    analyte = names.analyte(result.analyte)
    if analyte is None:
        return Reason.UNKNOWN_ANALYTE
    if names.specimen(result.specimen) == "other":
        return Reason.OTHER_SPECIMEN
    if result.unreadable is Reason.UNREADABLE_VALUE:
        return Reason.UNREADABLE_VALUE
    if result.value is None:
        return Reason.MISSING_VALUE
    if result.unreadable is not None:
        return result.unreadable
    unit = names.unit(analyte, result.unit or "")
    if unit is None:
        named = result.unit and result.unit.strip()
        return Reason.UNKNOWN_UNIT if named else Reason.MISSING_UNIT
    return analyte, unit, Reported(without_noise(result.value.number), result.value.comparator)


def _with_indicator(found: NormalizedResult, said: Indicator) -> NormalizedResult:
    """Return the result with what its flag says, or flagged if a limit contradicts that.

    The flag narrows a value with a comparator: ``<60``, high, with a ULN of 50 is from 50 to 60.
    """
    for side in ("ULN", "LLN"):
        beyond = found.beyond(side)
        if beyond is not None and beyond != says_beyond(said, side):
            return replace(found, flags=(*found.flags, Flag.INDICATOR_CONTRADICTS))
    if found.implausible_limit or not found.reported.comparator:
        return replace(found, indicator=said)
    lln, uln = found.possible("LLN"), found.possible("ULN")
    told = {
        "high": Interval.between(uln.low, None).meet(Interval(lln.low, INFINITY)),
        "low": Interval.between(None, lln.high).meet(Interval(ZERO.low, uln.high)),
        "normal": Interval(lln.low, uln.high),
    }[said]
    to_value = found.limit_unit.factor / found.unit.factor
    return replace(found, indicator=said, value=found.value.meet(told.converted(to_value)))


def _limits(
    result: LabResult, analyte: Analyte, unit: Unit, names: Names, flags: list[Flag]
) -> tuple[Unit, Reported | None, Reported | None]:
    """Return the limits' unit, LLN and ULN (None: not usable); append to ``flags`` why.

    The study's range stands in for an absent or unusable one, but not where a limit cannot be
    parsed or its unit is unknown.
    """
    if result.unreadable_limit:
        flags.append(Flag.UNREADABLE_LIMIT)
    limit_unit = unit
    if result.limit_unit and result.limit_unit.strip():
        named = names.unit(analyte, result.limit_unit)
        if named is None:
            flags.append(Flag.UNKNOWN_LIMIT_UNIT)
            return unit, None, None
        limit_unit = named
    lln, uln = without_noise(result.lln), without_noise(result.uln)
    if uln == 0 or (lln is not None and uln is not None and uln <= lln):
        flags.append(Flag.UNUSABLE_RANGE)
        lln = uln = None
    own = result.study_range
    if own and lln is None and uln is None and not result.unreadable_limit:
        flags.append(Flag.RANGE_FROM_STUDY)
        limit_unit = names.unit(analyte, own.unit) or unit
        lln, uln = without_noise(own.lln), without_noise(own.uln)
    return (
        limit_unit,
        None if lln is None else Reported(lln),
        None if uln is None else Reported(uln),
    )


def _within(reported: Reported, unit: Unit, band: Band) -> bool:
    """Return whether the printed number (5 in ``<5``) is plausible. ``<0`` is not: nothing is."""
    if reported.comparator == "<" and not reported.number:
        return False
    canonical = reported.number * unit.factor.numerator
    denominator = unit.factor.denominator
    return band.low * denominator <= canonical <= band.high * denominator
