"""Hy's law candidates: a rise of transaminases, then jaundice, without cholestasis at its start.

FDA, Drug-Induced Liver Injury: Premarketing Clinical Evaluation, July 2009.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from toxgrade.cohort.criterion import (
    Criterion,
    Multiple,
    all_of,
    any_of,
    on_each,
    opposite,
    wanting,
)
from toxgrade.cohort.liver_course import FULL_DATE, START, LiverCourse
from toxgrade.cohort.liver_day import Day
from toxgrade.cohort.rises import Rises

WITHIN_DAYS = 30
"""Bilirubin counts from the first day of a rise to so many days after it."""
_AT_START = "first day of the rise"


@dataclass(frozen=True, slots=True)
class Jaundice:
    """Bilirubin above 2 x ULN, in time after the first day of a rise of ALT or AST from 3 x ULN.

    ``raised``: the last day up to ``bilirubin`` on which ALT or AST was raised. ``first``: the
    first day of the rise, the earliest possible if that is not known. ``alp``: as a multiple of its
    ULN at the start of the rise; None: not measured. ``is_hys_law``: ALP is below 2 x ULN;
    ``is_certain``: whether there is a candidate at all, whatever the ALP.
    """

    raised: Day
    bilirubin: Day
    first: Day
    alp: Multiple | None
    is_certain: Criterion
    is_hys_law: Criterion
    is_cholestatic: Criterion

    @property
    def lacks_alp(self) -> bool:
        """Return whether only the ALP at the start of the rise is not known."""
        open_still = self.is_hys_law.holds is None and self.is_cholestatic.holds is None
        return bool(self.is_certain.holds and open_still)


def hys_law(series: LiverCourse, within_days: int = WITHIN_DAYS) -> list[Jaundice]:
    """Return each day of bilirubin that certainly or possibly belongs to a candidate, in order."""
    rises = Rises(series, within_days)
    found = (
        _jaundice(series, rises, day)
        for day in series.days
        if "bilirubin" in day.x_uln and day.after is not False
        if day.x_uln["bilirubin"].above(2).holds is not False
    )
    return [one for one in found if one is not None]


def rises_without_bilirubin(series: LiverCourse, within_days: int = WITHIN_DAYS) -> list[Day]:
    """Return the first days of certain rises after which bilirubin was not measured in time."""
    rises = Rises(series, within_days)
    measured = [d for d in series.days if "bilirubin" in d.x_uln and d.after is not False]
    dated = sorted(d.day for d in measured if d.is_dated)
    coarse = [d for d in measured if not d.is_dated]

    def is_measured(first: date) -> bool:
        i = bisect_left(dated, first)
        near = i < len(dated) and dated[i] <= first + rises.within
        return near or any(d.first <= first + rises.within and first <= d.day for d in coarse)

    return [
        day for day, raised in rises.possible_starts() if raised.holds and not is_measured(day.day)
    ]


def _jaundice(series: LiverCourse, rises: Rises, bilirubin: Day) -> Jaundice | None:
    """Return the candidate that a day of bilirubin makes; None: it certainly makes none."""
    if bilirubin.is_dated:
        after = wanting(START) if bilirubin.after is None else Criterion(True)
        judged = [_on_day(rises, bilirubin, bilirubin.day, after)]
    elif days := series.possible_days(bilirubin):
        judged = [_on_day(rises, bilirubin, day, series.after(day)) for day in days]
    else:
        judged = _too_coarse(series, rises, bilirubin)
    starts = {id(day): day for one in judged for day in one.starts}.values()
    if not starts:
        return None
    first = min(starts, key=lambda day: (not day.is_dated, day.day))
    certain, hys, cholestatic = (
        on_each([getattr(one, name) for one in judged], else_missing=FULL_DATE)
        for name in ("certain", "hys_law", "cholestatic")
    )
    return Jaundice(
        rises.last_raised(first, bilirubin), bilirubin, first,
        rises.alp(first.day) if first.is_dated else None, certain, hys, cholestatic,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a day of bilirubin means, and the days on which its rise may have begun."""

    certain: Criterion
    hys_law: Criterion
    cholestatic: Criterion
    starts: tuple[Day, ...]


def _on_day(rises: Rises, bilirubin: Day, day: date, after: Criterion) -> _Judged:
    """Return what bilirubin means if it was taken on a day that is ``after`` the start."""
    icteric = bilirubin.x_uln["bilirubin"].above(2)
    begun = rises.starts(day)
    alp = on_each([rises.cholestatic(d.day) for d in begun.days], else_missing=_AT_START)
    coarse = rises.in_time(day)

    def judged(at_begun: Criterion, also: Callable[[date], Criterion] | None = None) -> Criterion:
        begins = [at_begun, *(rises.begins(each, day, also) for each in coarse)]
        return all_of([after, icteric, any_of(begins)])

    return _Judged(
        judged(begun.exists),
        judged(all_of([begun.exists, opposite(alp)]), rises.hepatocellular),
        judged(all_of([begun.exists, alp]), rises.cholestatic),
        (*begun.days, *coarse),
    )


def _too_coarse(series: LiverCourse, rises: Rises, bilirubin: Day) -> list[_Judged]:
    """Return what bilirubin may mean whose date is a year, or missing: possible at best."""
    icteric = bilirubin.x_uln["bilirubin"].above(2)
    found = []
    for day in [*(d for d, _ in rises.possible_starts()), *rises.coarse]:
        if bilirubin.collected is None or day.collected is None or (
            day.first <= bilirubin.day and bilirubin.first <= day.day + rises.within
        ):  # fmt: skip
            days = [day.day] if day.is_dated else series.possible_days(day)
            judged = [rises.cholestatic(at) for at in days] or [wanting(FULL_DATE)]
            alp = on_each(judged, else_missing=FULL_DATE)
            unknown = [wanting(FULL_DATE), icteric]
            hys, cholestatic = all_of([*unknown, opposite(alp)]), all_of([*unknown, alp])
            found.append(_Judged(all_of(unknown), hys, cholestatic, (day,)))
    return found
