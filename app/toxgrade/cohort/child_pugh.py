"""Child-Pugh score of one day: three laboratory values and two that a clinician records.

Pugh et al., Br J Surg 1973;60:646-649, with the INR instead of the prothrombin time. Nothing is
assumed: without one of the five there is no score, and what is missing is named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from toxgrade.grading.normalize import Measured
from toxgrade.grading.result import Collected

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


def laboratory_points(measured: Measured) -> int | None:
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
