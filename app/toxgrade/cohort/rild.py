"""Radiation-induced liver disease (RILD), classic and non-classic: candidates for review.

Pan et al., Int J Radiat Oncol Biol Phys 2010;76(3 Suppl):S94-S100; Lawrence et al., ibid.
1995;31:1237-1248.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from toxgrade.cohort.ascites import Ascites
from toxgrade.cohort.child_pugh import ChildPugh
from toxgrade.cohort.criterion import Criterion, all_of, any_of, on_each, opposite, wanting
from toxgrade.cohort.liver_course import FULL_DATE, LiverCourse
from toxgrade.cohort.liver_day import Day

CLASSIC = (14, 4)
"""From so many days to so many calendar months after the end of radiotherapy, inclusive."""
NON_CLASSIC = (0, 3)
BILIRUBIN_DAYS = 7
_BASELINE_ENZYMES = "baseline ALT or AST"


@dataclass(frozen=True, slots=True)
class Rild:
    """A day that meets, or may meet, a definition of RILD.

    ``ascites``: the highest CTCAE grade of new ascites near that day; None: none is recorded.
    ``score``: the day's Child-Pugh score; None: an item is missing. ``lacks``: what would qualify a
    day that meets it, but was never measured, such as a baseline.
    """

    day: Day
    criterion: Criterion
    ascites: int | None = None
    score: int | None = None
    lacks: tuple[str, ...] = ()


def classic_rild(series: LiverCourse) -> list[Rild]:
    """Return the days of ALP that certainly or possibly meet classic RILD, in order."""
    near = _Bilirubin(series)
    ascites = Ascites(series.course, series.recorded)

    @cache  # Many dates without a day share their days.
    def fits(at: date) -> Criterion:
        in_window = series.after_end(at, *CLASSIC)
        return all_of([in_window, near.anicteric(at), ascites.is_new(at)])

    lacks = () if "ALP" in series.bases else ("baseline ALP",)
    found = []
    for day in series.days:
        if "ALP" not in day.x_uln or day.after is False:
            continue
        raised = all_of([day.x_uln["ALP"].above(2, or_equal=True), _doubled(series, day)])
        if raised.holds is False:
            continue

        judged = all_of([raised, _on_any_day(series, day, CLASSIC, fits)])
        if judged.holds is not False:
            grade = ascites.grade(day.day) if day.collected else None
            found.append(Rild(day, judged, grade, lacks=lacks))
    return found


def _on_any_day(
    series: LiverCourse, day: Day, window: tuple[int, int], judge: Callable[[date], Criterion]
) -> Criterion:
    """Return what holds on whichever day it was, of those days within a window after the end."""
    if day.is_dated:
        return judge(day.day)
    days = series.days_within(day, window)
    judged = [judge(at) for at in days]
    if not days or days[0] > day.first or days[-1] < day.day:
        judged.append(Criterion(False))
    return on_each(judged, else_missing=FULL_DATE)


def _doubled(series: LiverCourse, day: Day) -> Criterion:
    """Return whether ALP has risen, and to 2 x its baseline where that is above the ULN.

    One that has risen from an abnormal baseline, but not to the double, is left open. Without a
    baseline there is nothing to compare it with.
    """
    base = series.bases.get("ALP")
    if base is None:
        return Criterion(True)
    multiple, abnormal = day.x_baseline["ALP"], base.x_uln.above(1)
    normal = wanting("baseline ALP") if abnormal.holds is None else opposite(abnormal)
    enough = any_of([multiple.above(2, or_equal=True), normal])
    if enough.holds is False:
        enough = wanting("ALP from 2 x baseline")
    return all_of([multiple.above(1), enough])


class _Bilirubin:
    """Bilirubin of the nearest day, which says whether a rise of ALP is anicteric."""

    def __init__(self, series: LiverCourse) -> None:
        days = [d for d in (*series.earlier, *series.dated) if "bilirubin" in d.x_uln]
        self.days = sorted(days, key=lambda d: d.day)
        self._dates = [d.day for d in self.days]

    def anicteric(self, day: date) -> Criterion:
        """Return whether bilirubin is below 2 x ULN; of two equally near days on both."""
        reach = timedelta(days=BILIRUBIN_DAYS)
        first, last = bisect_left(self._dates, day - reach), bisect_right(self._dates, day + reach)
        near = self.days[first:last]
        if not near:
            return wanting("bilirubin")
        nearest = min(abs(d.day - day) for d in near)
        return all_of(
            opposite(d.x_uln["bilirubin"].above(2, or_equal=True))
            for d in near
            if abs(d.day - day) == nearest
        )


def non_classic_rild(series: LiverCourse, scores: Sequence[tuple[Day, ChildPugh]]) -> list[Rild]:
    """Return the days that certainly or possibly meet non-classic RILD, in order.

    ``scores``: the Child-Pugh points of the days of this course, and of those before it.
    """
    before = [score for day, score in scores if day.after is False]
    baseline = next((one for one in reversed(before) if one.score is not None), None)
    last = baseline or (before[-1] if before else ChildPugh({}))
    in_window = cache(lambda at: series.after_end(at, *NON_CLASSIC))
    by_day = {id(day): score for day, score in scores}
    days = {id(day): day for day in (*series.days, *(day for day, _ in scores))}
    found = []
    for key, day in days.items():
        if day.after is False:
            continue
        score = by_day.get(key, ChildPugh({}))
        enzymes, worse = _hepatocellular(series, day), _worse_score(score, last)
        met = any_of([enzymes, worse])
        if met.holds is False:
            continue

        judged = all_of([_on_any_day(series, day, NON_CLASSIC, in_window), met])
        if judged.holds is not False:
            by_enzymes = enzymes.holds and not worse.holds and not series.baseline_enzymes
            lacks = (_BASELINE_ENZYMES,) if by_enzymes else ()
            found.append(Rild(day, judged, score=score.score, lacks=lacks))
    return sorted(found, key=lambda one: one.day.day)


def _hepatocellular(series: LiverCourse, day: Day) -> Criterion:
    """Return whether ALT or AST is above 5 x ULN, or 20 x where the baseline was above 5 x."""
    base = series.baseline_enzymes
    high = base.enzymes(5) if base else Criterion(False)
    low_base = wanting(_BASELINE_ENZYMES) if high.holds is None else opposite(high)
    return any_of([day.enzymes(20), all_of([day.enzymes(5), low_base])])


def _worse_score(score: ChildPugh, baseline: ChildPugh) -> Criterion:
    """Return whether a score is at least 2 above the baseline's.

    Without both scores it is open only where the items that are known have risen by 2 points:
    else every visit without INR would be.
    """
    if score.score is not None and baseline.score is not None:
        return Criterion(score.score >= baseline.score + 2)
    if score.rise(baseline) < 2:
        return Criterion(False)
    before = [f"baseline {item}" for item in baseline.needs]
    return wanting(*score.needs, *before)
