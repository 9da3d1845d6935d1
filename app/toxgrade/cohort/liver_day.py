"""Child-Pugh score of one day: three laboratory values and two that a clinician records.

Pugh et al., Br J Surg 1973;60:646-649, with the INR instead of the prothrombin time. Nothing is
assumed: without one of the five there is no score, and what is missing is named.
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
"""What clinicians record, and the CTCAE term it comes from."""

_CLINICAL_LIMITS = {"ascites": (1, 2), "encephalopathy": (1, 3)}
"""The lowest CTCAE grades that give 2 and 3 points: a reading of ours, as CTCAE grades neither by
the words of the score. Ascites: 1 (seen only) is slight, from 2 moderate. Encephalopathy: 1 and 2
are West Haven 1 to 2, from 3 West Haven 3 to 4."""

_ITEMS = ("bilirubin", "albumin", "INR", *CLINICAL)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A clinician's grade of a term from ``onset`` on; grade 0: absent, or resolved by then."""

    term: str
    grade: int
    onset: Collected
    resolved: date | None


@dataclass(frozen=True, slots=True)
class ChildPugh:
    """The points of one day by item; items that are not known are not there."""

    points: Mapping[str, int]

    @property
    def needs(self) -> list[str]:
        """What is missing for a score."""
        return [item for item in _ITEMS if item not in self.points]

    @property
    def score(self) -> int | None:
        """5 to 15; None while something is missing."""
        return None if self.needs else sum(self.points.values())

    @property
    def group(self) -> Literal["A", "B", "C"] | None:
        """A up to 6 points, B up to 9, C from 10; None without a score."""
        score = self.score
        if score is None:
            return None
        return "A" if score <= 6 else "B" if score <= 9 else "C"


def laboratory_points(measured: NormalizedResult) -> int | None:
    """1 to 3 points of a plain number; None for other analytes and for ``<5`` and its kin.

    Bilirubin below 2, to 3, above 3 mg/dL, or below 34, to 51, above 51 umol/L; albumin above 35,
    to 28, below 28 g/L; INR below 1.7, to 2.3, above 2.3.
    """
    if measured.reported.comparator:
        return None
    number = Fraction(measured.reported.number) * measured.unit.factor
    match measured.analyte.name:
        case "bilirubin" if measured.unit.kind == "mass":
            own = Fraction(measured.reported.number) * measured.unit.factor / _MG_PER_DL
            return _rising(own, Decimal(2), Decimal(3))
        case "bilirubin":
            return _rising(number, Decimal(34), Decimal(51))
        case "albumin":
            return 1 if number > 35 else 2 if number >= 28 else 3
        case "INR":
            return _rising(number, Decimal("1.7"), Decimal("2.3"))
    return None


_MG_PER_DL = Fraction(10000) / Fraction("584.66")
"""umol/L of bilirubin in 1 mg/dL, as ``analytes.toml`` has it."""


def _rising(number: Fraction, two: Decimal, three: Decimal) -> int:
    return 1 if number < two else 2 if number <= three else 3


def clinical_points(recorded: Iterable[Recorded], day: date) -> dict[str, int]:
    """Points of ascites and encephalopathy on a day, from what was last recorded by then."""
    found = list(recorded)
    grades = {item: grade_on(found, term, day) for item, term in CLINICAL.items()}
    return {
        item: 1 + sum(grade >= limit for limit in _CLINICAL_LIMITS[item])
        for item, grade in grades.items()
        if grade is not None
    }


def grade_on(recorded: Iterable[Recorded], term: str, day: date) -> int | None:
    """The grade of a term last recorded by a day, 0 once resolved; None: never recorded by then."""
    known = [one for one in recorded if one.term == term and one.onset.last <= day]
    if not known:
        return None
    last = max(known, key=lambda one: (one.onset.last, one.grade))
    return 0 if last.resolved and last.resolved <= day else last.grade


N = TypeVar("N", int, Fraction)

_ALBI_FACTOR = Fraction("17.1") / (Fraction(10000) / Fraction("584.66"))
"""ALBI takes 1 mg/dL as the rounded 17.1 umol/L; the exact 17.104 moves its 4th decimal."""

_ANALYTES = ("bilirubin", "albumin", "ALT", "AST", "ALP", "INR")


@dataclass(frozen=True, slots=True)
class Day:
    """The liver values of one day; of several results the worst, readable plain numbers only.

    ``values``: bilirubin in umol/L (1 mg/dL as 17.1), albumin in g/L, enzymes in U/L. ``x_uln``
    lacks an analyte whose ULN is missing or not trusted; there ``>1000`` counts as 1000, the least
    it can be. ``points``: Child-Pugh's, of what the laboratory measured.
    """

    day: date
    phase: Phase
    values: Mapping[str, Fraction]
    x_uln: Mapping[str, Fraction]
    points: Mapping[str, int]

    @property
    def albi(self) -> float | None:
        """ALBI score, 0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L; None without both.

        Johnson et al., J Clin Oncol 2015;33:550-558. None also for bilirubin 0, which has no log.
        """
        bilirubin, albumin = self.values.get("bilirubin"), self.values.get("albumin")
        if not bilirubin or albumin is None:
            return None
        return 0.66 * math.log10(bilirubin) - 0.085 * float(albumin)

    @property
    def transaminase(self) -> Fraction | None:
        """The higher of ALT and AST as a multiple of its ULN."""
        return max((self.x_uln[n] for n in ("ALT", "AST") if n in self.x_uln), default=None)

    @property
    def r_ratio(self) -> float | None:
        """R, ALT x ULN over ALP x ULN: 5 and more hepatocellular, 2 and less cholestatic.

        Benichou, J Hepatol 1990;11:272-276.
        """
        alt, alp = self.x_uln.get("ALT"), self.x_uln.get("ALP")
        return float(alt / alp) if alt is not None and alp else None


def albi_grade(score: float) -> int:
    """1 up to -2.60, 2 up to -1.39, else 3 (Johnson et al. 2015)."""
    return 1 if score <= -2.60 else 2 if score <= -1.39 else 3


def liver_days(
    results: Sequence[LabResult], courses: Sequence[Course], grader: TermGrader, window: Window
) -> list[Day]:
    """The days of the first course on which a liver value was measured, in order.

    Results dated to the day count, from any of the laboratory's versions that is final.
    """
    found: dict[tuple[date, Phase], list[NormalizedResult]] = {}
    for result in results:
        collected = result.collected
        if collected is None or collected.first != collected.last:
            continue
        placement = place(collected, courses, window)
        measured = _measured(result, grader)
        if measured is not None and not placement.course:
            found.setdefault((collected.first, placement.phase), []).append(measured)
    return [
        Day(
            day,
            phase,
            _worst(found[day, phase], _value),
            _worst(found[day, phase], _x_uln),
            _worst(found[day, phase], laboratory_points, low_is_worse=()),
        )
        for day, phase in sorted(found)
    ]


def x_uln(result: LabResult, grader: TermGrader) -> Fraction | None:
    """A liver value as a multiple of its own ULN, for ``>1000`` of 1000; None where not known."""
    measured = _measured(result, grader)
    return _x_uln(measured) if measured else None


def _measured(result: LabResult, grader: TermGrader) -> NormalizedResult | None:
    analyte = grader.names.analyte(result.analyte)
    bounded = result.value is not None and result.value.comparator not in ("<", "<=")
    usable = result.status in GRADED_STATUSES and bounded
    if analyte is None or analyte.name not in _ANALYTES or not usable:
        return None
    with localcontext(EXACT):
        measured = normalize(result, grader.names, grader.implausible)
    return measured if isinstance(measured, NormalizedResult) else None


def _value(measured: NormalizedResult) -> Fraction | None:
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
    found: Sequence[NormalizedResult],
    read: Callable[[NormalizedResult], N | None],
    low_is_worse: Sequence[str] = ("albumin",),
) -> dict[str, N]:
    """Per analyte the worst number of a day."""
    worst: dict[str, N] = {}
    for measured in found:
        name, number = measured.analyte.name, read(measured)
        if number is not None:
            choose = min if name in low_is_worse else max
            worst[name] = choose(worst.get(name, number), number)
    return worst
