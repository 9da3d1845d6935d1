"""Child-Pugh: the points of the laboratory and of clinicians, and the score of a day.

Pugh et al., Br J Surg 1973;60:646-649, with the INR instead of the prothrombin time. Nothing is
assumed: if one of its five items is missing there is no score, and the item is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.grading.normalize import NormalizedResult
from toxgrade.grading.result import Reported

CLINICAL = {"ascites": "Ascites", "encephalopathy": "Encephalopathy"}
"""The items that clinicians record, each with the CTCAE term that stands for it."""

LOOK_BACK_DAYS = 7
"""A score of a day takes a laboratory item of up to so many days before it, the nearest."""

_CLINICAL_LIMITS = {"ascites": (1, 2), "encephalopathy": (1, 3)}
"""The lowest CTCAE grades that give 2 and 3 points. This is our interpretation, as CTCAE does not
use the words of the score. Ascites: 1 (seen only) is slight, from 2 moderate. Encephalopathy: 1 and
2 are West Haven 1 to 2, from 3 West Haven 3 to 4."""

LABORATORY = ("bilirubin", "albumin", "INR")
_ITEMS = (*LABORATORY, *CLINICAL)

_MG_PER_DL = Fraction(10000) / Fraction("584.66")
"""The umol/L of bilirubin in 1 mg/dL, as in ``analytes.toml``."""


@dataclass(frozen=True, slots=True)
class ChildPugh:
    """The points of one day by item; ``points`` lacks items that are unknown."""

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

    def rise(self, before: "ChildPugh") -> int:
        """Return by how many points the known items are above those of an earlier day.

        An item that is unknown now counts as unchanged, and one that was unknown then as 1 point,
        so that this is the highest rise that what is known allows without inventing any.
        """
        return sum(points - before.points.get(item, 1) for item, points in self.points.items())


def laboratory_points(measured: NormalizedResult) -> int | None:
    """Return the points, 1 to 3, of a value; None for other analytes.

    1, 2 and 3 points: bilirubin below 2, to 3, above 3 mg/dL, or below 34, to 51, above 51 umol/L;
    albumin above 35, to 28, below 28 g/L; INR below 1.7, to 2.3, above 2.3. A censored value has
    points only where all that it may be have the same: ``>10 mg/dL`` has 3.
    """
    reported = measured.reported
    if measured.analyte.name not in LABORATORY:
        return None
    if not reported.comparator:
        return _points(measured, reported.number)
    ends = (Decimal(0), _below(reported)) if "<" in reported.comparator else (
        _beyond(reported), Decimal("Infinity"),
    )  # fmt: skip
    low, high = (_points(measured, end) for end in ends)
    return low if low == high else None


def _below(reported: Reported) -> Decimal:
    """Return the highest number that ``<5`` or ``<=5`` may be, for limits of two decimals."""
    return reported.number.next_minus() if reported.comparator == "<" else reported.number


def _beyond(reported: Reported) -> Decimal:
    return reported.number.next_plus() if reported.comparator == ">" else reported.number


def _points(measured: NormalizedResult, reported: Decimal) -> int:
    if not reported.is_finite():
        return 1 if measured.analyte.name == "albumin" else 3
    number = Fraction(reported) * measured.unit.factor
    match measured.analyte.name:
        case "bilirubin" if measured.unit.kind == "mass":
            return _rising_points(number / _MG_PER_DL, Decimal(2), Decimal(3))
        case "bilirubin":
            return _rising_points(number, Decimal(34), Decimal(51))
        case "albumin":
            return 1 if number > 35 else 2 if number >= 28 else 3
    return _rising_points(number, Decimal("1.7"), Decimal("2.3"))


def _rising_points(number: Fraction, two: Decimal, three: Decimal) -> int:
    return 1 if number < two else 2 if number <= three else 3


def clinical_points(recorded: Sequence[ClinicalEvent], day: date) -> dict[str, int]:
    """Return the points of ascites and encephalopathy on a day, by the last record up to it."""
    grades = {item: grade_on(recorded, term, day) for item, term in CLINICAL.items()}
    return {
        item: 1 + sum(grade >= limit for limit in _CLINICAL_LIMITS[item])
        for item, grade in grades.items()
        if grade is not None
    }


def grade_on(recorded: Iterable[ClinicalEvent], term: str, day: date) -> int | None:
    """Return the last grade of a term up to a day, 0 once resolved; None: not recorded by then."""
    earlier = [one for one in recorded if one.term == term and one.onset.last <= day]
    if not earlier:
        return None
    last = max(earlier, key=lambda one: (one.onset.last, one.grade))
    return 0 if last.resolved and last.resolved <= day else last.grade
