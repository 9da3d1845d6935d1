"""The liver values of one day: exact values, multiples of ULN, ALBI and R, points of Child-Pugh."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

from toxgrade.cohort.child_pugh import laboratory_points
from toxgrade.cohort.criterion import Criterion, Multiple, any_of, highest
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import EXACT, Interval
from toxgrade.grading.normalize import NormalizedResult, normalize
from toxgrade.grading.result import GRADED_STATUSES, Collected, LabResult, Phase

ANALYTES = ("bilirubin", "albumin", "ALT", "AST", "ALP", "INR")
ENZYMES = ("ALT", "AST")

_ALBI_FACTOR = Fraction("17.1") / (Fraction(10000) / Fraction("584.66"))
"""ALBI takes 1 mg/dL as the rounded 17.1 umol/L; the exact 17.104 would change its 4th decimal."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A final liver value. ``value`` is in the analyte's canonical unit; ``x_uln`` in its ULN.

    Both are three-valued: ``<200`` is anything from 0 to below 200, and without a usable ULN the
    multiple is only what the sender's normal or abnormal flag says. ``plain``: the number, of
    bilirubin in umol/L as ALBI takes it; None where it is censored. ``points`` (1 to 3): those of
    Child-Pugh; None where there are none or a censored value does not decide them.
    """

    analyte: str
    value: Multiple
    x_uln: Multiple
    plain: Fraction | None
    points: int | None


_INFINITY = Decimal("Infinity")


def is_of_liver(analyte: str, grader: TermGrader) -> bool:
    """Return whether results of an analyte, by any of its names, may be liver values."""
    found = grader.names.analyte(analyte)
    return found is not None and found.name in ANALYTES


def measured(result: LabResult, grader: TermGrader) -> Measured | None:
    """Return a liver value; None for other analytes, and for what cannot be graded at all."""
    if not is_of_liver(result.analyte, grader) or result.status not in GRADED_STATUSES:
        return None
    with localcontext(EXACT):
        found = normalize(result, grader.names, grader.implausible)
        if not isinstance(found, NormalizedResult):
            return None
        name = found.analyte.name
        value = _in_unit(found.value, found.unit.factor, f"exact {name}")
        return Measured(name, value, _x_uln(found, value), _plain(found), laboratory_points(found))


def _in_unit(interval: Interval, factor: Fraction, needs: str) -> Multiple:
    high = None if interval.high == _INFINITY else Fraction(interval.high) * factor
    low = Fraction(interval.low) * factor
    needs = needs if low != high else ""
    return Multiple(low, high, interval.low_open, interval.high_open, needs)


def _x_uln(found: NormalizedResult, value: Multiple) -> Multiple:
    if found.uln is not None and not found.implausible_limit:
        return value.over(_in_unit(found.uln, found.limit_unit.factor, ""))
    needs, beyond = f"ULN of {found.analyte.name}", found.beyond("ULN")
    if beyond:
        return Multiple(Fraction(1), None, low_open=True, needs=needs)
    return Multiple(Fraction(0), None if beyond is None else Fraction(1), needs=needs)


def _plain(found: NormalizedResult) -> Fraction | None:
    if found.reported.comparator:
        return None
    number = Fraction(found.reported.number) * found.unit.factor
    is_mass = found.analyte.name == "bilirubin" and found.unit.kind == "mass"
    return number * _ALBI_FACTOR if is_mass else number


@dataclass(frozen=True, slots=True)
class Day:
    """The liver values of one day of one phase by analyte; of several results the worst.

    A date that is partial or missing makes a day of its own for each analyte, as results of such
    dates need not be of one day. ``after``: whether it is after the start of the reported course
    and before the next; None: not known. ``plain``: bilirubin in umol/L (1 mg/dL as 17.1), albumin
    in g/L, enzymes in U/L, INR, without censored values. ``x_baseline`` lacks an analyte
    that has no baseline.
    """

    collected: Collected | None
    phase: Phase
    after: bool | None
    plain: Mapping[str, Fraction]
    x_uln: Mapping[str, Multiple]
    x_baseline: Mapping[str, Multiple]
    points: Mapping[str, int]

    @property
    def is_dated(self) -> bool:
        return self.collected is not None and self.collected.first == self.collected.last

    @property
    def day(self) -> date:
        """Return the day, or the last day that it may be; ``date.max`` without a date."""
        return self.collected.last if self.collected else date.max

    @property
    def first(self) -> date:
        """Return the first day that it may be; ``date.min`` without a date."""
        return self.collected.first if self.collected else date.min

    @property
    def written(self) -> str | None:
        """Return the day as ISO 8601, or the partial date as written; None without a date."""
        if self.collected is None:
            return None
        return self.day.isoformat() if self.is_dated else self.collected.text

    @property
    def albi(self) -> float | None:
        """Return the ALBI score, 0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L.

        None unless both are known, and for bilirubin 0, which has no logarithm. Johnson et al.,
        J Clin Oncol 2015;33:550-558.
        """
        bilirubin, albumin = self.plain.get("bilirubin"), self.plain.get("albumin")
        if not bilirubin or albumin is None:
            return None
        return 0.66 * math.log10(bilirubin) - 0.085 * float(albumin)

    def enzymes(self, limit: int, *, or_equal: bool = False) -> Criterion:
        """Return whether ALT or AST is above a multiple of its ULN, or from it on."""
        known = (self.x_uln[name] for name in ENZYMES if name in self.x_uln)
        return any_of(one.above(limit, or_equal=or_equal) for one in known)

    @property
    def has_enzymes(self) -> bool:
        return any(name in self.x_uln for name in ENZYMES)


def r_ratio(x_uln: Mapping[str, Multiple], numerators: Iterable[str] = ("ALT",)) -> float | None:
    """Return R, ALT x ULN over ALP x ULN: from 5 hepatocellular, up to 2 cholestatic.

    Benichou, J Hepatol 1990;11:272-276. With ALT and AST as ``numerators`` it is nR, from the
    higher one. ``>1000`` counts as 1000; None without an exact ALP.
    """
    known = [x_uln[name] for name in numerators if name in x_uln and x_uln[name].low]
    alp = x_uln["ALP"].exact if "ALP" in x_uln else None
    return float(highest(known).low / alp) if known and alp else None


def albi_grade(score: float) -> int:
    """Return the ALBI grade: 1 up to -2.60, 2 up to -1.39, else 3 (Johnson et al. 2015)."""
    return 1 if score <= -2.60 else 2 if score <= -1.39 else 3
