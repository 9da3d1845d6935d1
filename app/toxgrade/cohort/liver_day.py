"""The liver values of one day: multiples of ULN, ALBI and R, and the points of Child-Pugh.

Child-Pugh: Pugh et al., Br J Surg 1973;60:646-649, with the INR instead of the prothrombin time.
Nothing is assumed: if one of its five items is missing there is no score, and the item is named.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Literal, TypeVar

from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import EXACT
from toxgrade.grading.normalize import NormalizedResult, normalize
from toxgrade.grading.phase import Window, place
from toxgrade.grading.result import GRADED_STATUSES, Collected, Course, LabResult, Phase

CLINICAL = {"ascites": "Ascites", "encephalopathy": "Encephalopathy"}
"""The Child-Pugh items that clinicians record, each with the CTCAE term that stands for it."""

_CLINICAL_LIMITS = {"ascites": (1, 2), "encephalopathy": (1, 3)}
"""The lowest CTCAE grades that give 2 and 3 points. This is our interpretation, as CTCAE does not
use the words of the score. Ascites: 1 (seen only) is slight, from 2 moderate. Encephalopathy: 1 and
2 are West Haven 1 to 2, from 3 West Haven 3 to 4."""

_ITEMS = ("bilirubin", "albumin", "INR", *CLINICAL)
_ANALYTES = ("bilirubin", "albumin", "ALT", "AST", "ALP", "INR")

_MG_PER_DL = Fraction(10000) / Fraction("584.66")
"""The umol/L of bilirubin in 1 mg/dL, as in ``analytes.toml``."""

_ALBI_FACTOR = Fraction("17.1") / (Fraction(10000) / Fraction("584.66"))
"""ALBI takes 1 mg/dL as the rounded 17.1 umol/L; the exact 17.104 would change its 4th decimal."""

N = TypeVar("N", int, Fraction)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A clinician's grade of a term from ``onset`` on; grade 0: the term is absent or resolved."""

    term: str
    grade: int
    onset: Collected
    resolved: date | None


@dataclass(frozen=True, slots=True)
class ChildPugh:
    """The Child-Pugh points of one day by item; ``points`` lacks items that are unknown."""

    points: Mapping[str, int]

    @property
    def needs(self) -> list[str]:
        """Return the items that are missing for a score."""
        return [item for item in _ITEMS if item not in self.points]

    @property
    def score(self) -> int | None:
        """Return the score, 5 to 15; None while an item is missing."""
        return None if self.needs else sum(self.points.values())

    @property
    def group(self) -> Literal["A", "B", "C"] | None:
        """Return the class: A up to 6 points, B up to 9, C from 10; None without a score."""
        score = self.score
        if score is None:
            return None
        return "A" if score <= 6 else "B" if score <= 9 else "C"


def laboratory_points(measured: NormalizedResult) -> int | None:
    """Return the points, 1 to 3, of a value; None for other analytes and for censored values.

    1, 2 and 3 points: bilirubin below 2, to 3, above 3 mg/dL, or below 34, to 51, above 51 umol/L;
    albumin above 35, to 28, below 28 g/L; INR below 1.7, to 2.3, above 2.3.
    """
    if measured.reported.comparator:
        return None
    number = Fraction(measured.reported.number) * measured.unit.factor
    match measured.analyte.name:
        case "bilirubin" if measured.unit.kind == "mass":
            mg_per_dl = Fraction(measured.reported.number) * measured.unit.factor / _MG_PER_DL
            return _rising_points(mg_per_dl, Decimal(2), Decimal(3))
        case "bilirubin":
            return _rising_points(number, Decimal(34), Decimal(51))
        case "albumin":
            return 1 if number > 35 else 2 if number >= 28 else 3
        case "INR":
            return _rising_points(number, Decimal("1.7"), Decimal("2.3"))
    return None


def _rising_points(number: Fraction, two: Decimal, three: Decimal) -> int:
    return 1 if number < two else 2 if number <= three else 3


def clinical_points(recorded: Iterable[Recorded], day: date) -> dict[str, int]:
    """Return the points of ascites and encephalopathy on a day, by the last record up to it."""
    records = list(recorded)
    grades = {item: grade_on(records, term, day) for item, term in CLINICAL.items()}
    return {
        item: 1 + sum(grade >= limit for limit in _CLINICAL_LIMITS[item])
        for item, grade in grades.items()
        if grade is not None
    }


def grade_on(recorded: Iterable[Recorded], term: str, day: date) -> int | None:
    """Return the last grade of a term up to a day, 0 once resolved; None: not recorded by then."""
    earlier = [one for one in recorded if one.term == term and one.onset.last <= day]
    if not earlier:
        return None
    last = max(earlier, key=lambda one: (one.onset.last, one.grade))
    return 0 if last.resolved and last.resolved <= day else last.grade


@dataclass(frozen=True, slots=True)
class Day:
    """The liver values of one day by analyte; of several results of a day the worst.

    ``values``: bilirubin in umol/L (1 mg/dL as 17.1), albumin in g/L, enzymes in U/L, INR; censored
    values are left out. ``x_uln``: multiples of ULN; it lacks an analyte whose ULN is missing or
    implausible, and takes ``>1000`` as 1000, its lower bound. ``points``: the Child-Pugh points of
    the laboratory items.
    """

    day: date
    phase: Phase
    values: Mapping[str, Fraction]
    x_uln: Mapping[str, Fraction]
    points: Mapping[str, int]

    @property
    def albi(self) -> float | None:
        """Return the ALBI score, 0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L.

        None unless both are known, and for bilirubin 0, which has no logarithm. Johnson et al.,
        J Clin Oncol 2015;33:550-558.
        """
        bilirubin, albumin = self.values.get("bilirubin"), self.values.get("albumin")
        if not bilirubin or albumin is None:
            return None
        return 0.66 * math.log10(bilirubin) - 0.085 * float(albumin)

    @property
    def transaminase(self) -> Fraction | None:
        """Return the higher of ALT and AST, as a multiple of its ULN; None if neither is known."""
        return max((self.x_uln[n] for n in ("ALT", "AST") if n in self.x_uln), default=None)

    @property
    def r_ratio(self) -> float | None:
        """Return R, ALT x ULN over ALP x ULN: from 5 hepatocellular, up to 2 cholestatic.

        Benichou, J Hepatol 1990;11:272-276.
        """
        alt, alp = self.x_uln.get("ALT"), self.x_uln.get("ALP")
        return float(alt / alp) if alt is not None and alp else None


def albi_grade(score: float) -> int:
    """Return the ALBI grade: 1 up to -2.60, 2 up to -1.39, else 3 (Johnson et al. 2015)."""
    return 1 if score <= -2.60 else 2 if score <= -1.39 else 3


def liver_days(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[Day]:
    """Return the days of the first course on which a liver value was measured, in order.

    Only results with a full date and a final, amended or corrected status count.
    """
    by_day: dict[tuple[date, Phase], list[NormalizedResult]] = {}
    for result in results:
        collected = result.collected
        if collected is None or collected.first != collected.last:
            continue
        placement = place(collected, courses, window)
        measured = _normalized(result, grader)
        if measured is not None and not placement.course:
            by_day.setdefault((collected.first, placement.phase), []).append(measured)
    return [
        Day(
            day,
            phase,
            _worst(by_day[day, phase], _value),
            _worst(by_day[day, phase], _x_uln),
            _worst(by_day[day, phase], laboratory_points, low_is_worse=()),
        )
        for day, phase in sorted(by_day)
    ]


def x_uln(result: LabResult, grader: TermGrader) -> Fraction | None:
    """Return a liver value as a multiple of its ULN, ``>1000`` as 1000; None where unknown."""
    measured = _normalized(result, grader)
    return _x_uln(measured) if measured else None


def _normalized(result: LabResult, grader: TermGrader) -> NormalizedResult | None:
    """Return a final liver value, normalized; None for others, ``<`` and unreadable values."""
    analyte = grader.names.analyte(result.analyte)
    bounded_below = result.value is not None and result.value.comparator not in ("<", "<=")
    usable = result.status in GRADED_STATUSES and bounded_below
    if analyte is None or analyte.name not in _ANALYTES or not usable:
        return None
    with localcontext(EXACT):
        measured = normalize(result, grader.names, grader.implausible)
    return measured if isinstance(measured, NormalizedResult) else None


def _value(measured: NormalizedResult) -> Fraction | None:
    """Return the number in the unit of ``Day.values``; None for a censored value."""
    if measured.reported.comparator:
        return None
    number = Fraction(measured.reported.number) * measured.unit.factor
    if measured.analyte.name == "bilirubin" and measured.unit.kind == "mass":
        return number * _ALBI_FACTOR
    return number


def _x_uln(measured: NormalizedResult) -> Fraction | None:
    if measured.uln is None or measured.implausible_limit:
        return None
    limit = Fraction(measured.uln.low) * measured.limit_unit.factor
    return Fraction(measured.reported.number) * measured.unit.factor / limit


def _worst(
    results: Sequence[NormalizedResult],
    number_of: Callable[[NormalizedResult], N | None],
    low_is_worse: Sequence[str] = ("albumin",),
) -> dict[str, N]:
    """Return the worst number of each analyte."""
    worst: dict[str, N] = {}
    for measured in results:
        name, number = measured.analyte.name, number_of(measured)
        if number is not None:
            choose = min if name in low_is_worse else max
            worst[name] = choose(worst.get(name, number), number)
    return worst
