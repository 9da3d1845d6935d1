"""Liver safety of one patient: ALBI, Hy's law candidates, eDISH peaks, RILD, Child-Pugh.

The results are candidates and flags for review, never diagnoses. What may be a finding, but is not
for certain, is listed with what is missing to know.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from toxgrade.cohort.child_pugh import (
    CLINICAL,
    LABORATORY,
    LOOK_BACK_DAYS,
    ChildPugh,
    clinical_points,
)
from toxgrade.cohort.criterion import Multiple
from toxgrade.cohort.hys_law import WITHIN_DAYS, Jaundice, hys_law, rises_without_bilirubin
from toxgrade.cohort.liver_course import LiverCourse
from toxgrade.cohort.liver_day import Day
from toxgrade.cohort.rild import Rild, classic_rild, non_classic_rild
from toxgrade.grading.phase import belongs, place
from toxgrade.grading.result import AFTER_START

FindingName = Literal["hys_law", "cholestatic", "classic_rild", "non_classic_rild"]


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A finding that may be, on a day as written (None: undated), and what is missing to know.

    ``bilirubin_date``: that of the bilirubin, where the finding is of two days.
    """

    finding: FindingName
    date: str | None
    missing: tuple[str, ...]
    bilirubin_date: str | None = None


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest multiple after the start: at least, of results that certainly are after it.

    ``at_most`` is of those that may be; None: without bound, or of nothing measured.
    """

    at_least: Fraction | None
    at_most: Fraction | None
    could_be_higher: bool


@dataclass(frozen=True, slots=True)
class LiverSafety:
    """The liver safety findings of one patient over one course, in the order of days.

    ``hys_law``, ``cholestatic`` and both kinds of RILD are certain; ``without_alp`` are Hy's law
    candidates but for an ALP. Everything that is only possible is in ``incomplete``, and so is what
    is found without the baseline that would qualify it. ``child_pugh``
    includes days before radiotherapy and days of clinicians' records.
    """

    series: LiverCourse
    child_pugh: tuple[tuple[Day, ChildPugh], ...]
    hys_law: tuple[Jaundice, ...]
    cholestatic: tuple[Jaundice, ...]
    without_alp: tuple[Jaundice, ...]
    non_classic_rild: tuple[Rild, ...]
    classic_rild: tuple[Rild, ...]
    incomplete: tuple[Incomplete, ...]

    @property
    def albi_baseline(self) -> Day | None:
        """Return the last day up to the start of radiotherapy that has an ALBI score."""
        before = [d for d in self.series.dated if d.phase == "pre_treatment" and d.albi is not None]
        return before[-1] if before else None

    @property
    def albi_worst_acute(self) -> Day | None:
        acute = [d for d in self.series.dated if d.phase == "acute" and d.albi is not None]
        return max(acute, key=lambda d: d.albi or 0, default=None)

    @property
    def findings(self) -> list[FindingName]:
        """Return the names of what was found for certain."""
        found: dict[FindingName, Sequence[object]] = {
            "hys_law": self.hys_law,
            "cholestatic": self.cholestatic,
            "classic_rild": self.classic_rild,
            "non_classic_rild": self.non_classic_rild,
        }
        return [name for name, each in found.items() if each]

    @property
    def possible_findings(self) -> set[tuple[FindingName, str | None]]:
        """Return name and date, as written, of what was found for certain or possibly."""
        found: dict[FindingName, Sequence[Day]] = {
            "hys_law": [one.raised for one in self.hys_law],
            "classic_rild": [one.day for one in self.classic_rild],
            "non_classic_rild": [one.day for one in self.non_classic_rild],
        }
        certain = {(name, day.written) for name, days in found.items() for day in days}
        return certain | {(one.finding, one.date) for one in self.incomplete}


def liver_safety(series: LiverCourse, within_days: int = WITHIN_DAYS) -> LiverSafety:
    """Return the liver safety findings of one patient over one course.

    ``within_days``: how many days after the first day of a rise bilirubin counts for Hy's law.
    """
    scores = child_pugh(series)
    jaundice = hys_law(series, within_days)
    classic, other = classic_rild(series), non_classic_rild(series, scores)
    unmeasured = rises_without_bilirubin(series, within_days)
    incomplete = [
        *(Incomplete("hys_law", day.written, ("bilirubin",)) for day in unmeasured),
        *_incomplete_jaundice(jaundice),
        *_incomplete_rild("classic_rild", classic),
        *_incomplete_rild("non_classic_rild", other),
    ]
    return LiverSafety(
        series,
        tuple(scores),
        tuple(one for one in jaundice if one.is_hys_law.holds),
        tuple(one for one in jaundice if one.is_cholestatic.holds),
        tuple(one for one in jaundice if one.lacks_alp),
        tuple(one for one in other if one.criterion.holds),
        tuple(one for one in classic if one.criterion.holds),
        tuple(incomplete),
    )


def _incomplete_jaundice(jaundice: Iterable[Jaundice]) -> Iterator[Incomplete]:
    """Yield candidates that are not certain: of Hy's law where that may be, else cholestatic."""
    for one in jaundice:
        date, bilirubin = one.raised.written, one.bilirubin.written
        if one.is_hys_law.holds is None:
            yield Incomplete("hys_law", date, one.is_hys_law.missing, bilirubin)
        elif not one.is_hys_law.holds and one.is_cholestatic.holds is None:
            yield Incomplete("cholestatic", date, one.is_cholestatic.missing, bilirubin)


def _incomplete_rild(finding: FindingName, days: Iterable[Rild]) -> Iterator[Incomplete]:
    for one in days:
        if missing := (*one.criterion.missing, *one.lacks):
            yield Incomplete(finding, one.day.written, missing)


def child_pugh(series: LiverCourse) -> list[tuple[Day, ChildPugh]]:
    """Return the points of every day with a laboratory item or a clinician's record, in order.

    An item that was not measured that day is of the nearest day before, up to ``LOOK_BACK_DAYS``.
    """
    after = [day for day in series.dated if day.after is not False]
    measured = [
        day for day in (*series.earlier, *after) if any(i in day.points for i in LABORATORY)
    ]
    known = {day.day for day in measured}
    days = [*measured, *(day for day in _recorded_days(series) if day.day not in known)]
    latest: dict[str, Day] = {}
    found = []
    for day in sorted(days, key=lambda each: each.day):
        latest |= {item: day for item in LABORATORY if item in day.points}
        near = {
            item: seen.points[item]
            for item, seen in latest.items()
            if day.is_dated and (day.day - seen.day).days <= LOOK_BACK_DAYS
        }
        found.append((day, ChildPugh({**near, **clinical_points(series.recorded, day.day)})))
    return found


def _recorded_days(series: LiverCourse) -> list[Day]:
    """Return the days up to the start or of this course from which on a clinician's grade holds."""
    onsets = {r.onset.last: r.onset for r in series.recorded if r.term in CLINICAL.values()}
    found = []
    for onset in onsets.values():
        places = series.places(onset)
        after = belongs(places, series.index, AFTER_START)
        start = series.course.start if series.course else None
        if after is not False or (start and onset.last <= start):
            phase = place(onset, series.courses, series.window).phase
            found.append(Day(onset, phase, after, {}, {}, {}, {}))
    return found


def peak(members: Iterable[tuple[bool | None, Multiple]]) -> Peak:
    """Return the peak of multiples, each with whether it is after the start (None: possibly)."""
    possible = [(after, one) for after, one in members if after is not False]
    lows = [one.low for after, one in possible if after and one.low]
    at_least = max(lows, default=None)
    highs = [one.high for _, one in possible]
    bounded = [high for high in highs if high is not None]
    at_most = max(bounded, default=None) if len(bounded) == len(highs) else None
    could_be_higher = bool(highs) and (at_most is None or at_most > (at_least or 0))
    return Peak(at_least, at_most, could_be_higher)
