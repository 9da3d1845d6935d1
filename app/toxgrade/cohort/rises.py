"""Rises of ALT or AST from 3 x ULN on, and the ALP at their start."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from toxgrade.cohort.criterion import Criterion, Multiple, all_of, on_each, opposite, wanting
from toxgrade.cohort.liver_course import FULL_DATE, START, LiverCourse
from toxgrade.cohort.liver_day import Day

ALP_DAYS = 7
"""Without an ALP of the first day of the rise the nearest of up to so many days before counts."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The days on which the rise that reaches a day may have begun, and whether one has in time."""

    exists: Criterion
    days: tuple[Day, ...]


class Rises:
    """The rises of ALT or AST from 3 x ULN over dated days after the start of a course."""

    def __init__(self, series: LiverCourse, within_days: int) -> None:
        self.days = [d for d in series.dated if d.has_enzymes and d.after is not False]
        self.coarse = [
            d for d in series.coarse
            if d.after is not False and d.enzymes(3, or_equal=True).holds is not False
        ]  # fmt: skip
        self._series = series
        # Many dates without a day share their days.
        self.begins_on = cache(self._begins_on)
        self.raised = [_raised(day) for day in self.days]
        self._dates = [day.day for day in self.days]
        dated = sorted((*series.earlier, *series.dated), key=lambda d: d.day)
        self._alp = [d for d in dated if "ALP" in d.x_uln]
        self._alp_dates = [day.day for day in self._alp]
        self.within = timedelta(days=within_days)

    def alp(self, day: date) -> Multiple | None:
        """Return the ALP of a day, else of the nearest within ``ALP_DAYS`` before; None: none."""
        i = bisect_right(self._alp_dates, day) - 1
        if i < 0 or day - self._alp_dates[i] > timedelta(days=ALP_DAYS):
            return None
        return self._alp[i].x_uln["ALP"]

    def cholestatic(self, day: date) -> Criterion:
        """Return whether ALP is from 2 x ULN on where a rise begins on a day."""
        alp = self.alp(day)
        return wanting("ALP") if alp is None else alp.above(2, or_equal=True)

    def hepatocellular(self, day: date) -> Criterion:
        """Return whether ALP is below 2 x ULN where a rise begins on a day."""
        return opposite(self.cholestatic(day))

    def starts(self, day: date) -> Starts:
        """Return where the last rise up to a day may have begun, of those that began in time.

        A rise begins where a day from 3 x ULN follows one below, or none. It ends where what is
        measured of ALT and AST is below.
        """
        first, last = bisect_left(self._dates, day - self.within), bisect_right(self._dates, day)
        before = self.raised[first - 1] if first else Criterion(False)
        states = [before, *self.raised[first:last]]
        holds = [one.holds for one in states]
        starts = tuple(
            self.days[first + i - 1]
            for i in range(1, len(states))
            if holds[i] is not False and holds[i - 1] is not True and not _begins(holds[i + 1 :])
        )
        if not starts:
            return Starts(Criterion(False), ())
        missing = (name for one in states if one.holds is None for name in one.missing)
        known = Criterion(True) if _begins(holds) else wanting(*dict.fromkeys(missing))
        return Starts(known, starts)

    def in_time(self, day: date) -> list[Day]:
        """Return the raised days without a full date from which a rise may reach a day in time."""
        earliest = day - self.within
        return [coarse for coarse in self.coarse if coarse.first <= day and coarse.day >= earliest]

    def begins(
        self, coarse: Day, day: date, also: Callable[[date], Criterion] | None = None
    ) -> Criterion:
        """Return whether a rise begins on a day without a full date, in time for another day.

        ``also``: what else must hold on the day on which it begins.
        """
        first, last = max(coarse.first, day - self.within), min(coarse.day, day)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        judged = [self.begins_on(at, also) for at in days]
        if coarse.first < first or coarse.day > last:
            judged.append(Criterion(False))
        return all_of([coarse.enzymes(3, or_equal=True), on_each(judged, else_missing=FULL_DATE)])

    def _begins_on(self, day: date, also: Callable[[date], Criterion] | None) -> Criterion:
        return all_of([self._series.after(day), *([also(day)] if also else [])])

    def last_raised(self, first: Day, until: Day) -> Day:
        """Return the last dated day of a rise that may be raised, up to another day."""
        i = bisect_right(self._dates, until.day)
        while first.is_dated and i and self._dates[i - 1] > first.day:
            i -= 1
            if self.raised[i].holds is not False:
                return self.days[i]
        return first

    def possible_starts(self) -> Iterator[tuple[Day, Criterion]]:
        """Yield each day on which a rise may begin, with whether the day is raised."""
        before: bool | None = False
        for day, raised in zip(self.days, self.raised, strict=True):
            if raised.holds is not False and before is not True:
                yield day, raised
            before = raised.holds


def _begins(states: Sequence[bool | None]) -> bool:
    """Return whether a rise begins for certain: a day below is followed by one raised."""
    return True in states[states.index(False) :] if False in states else False


def _raised(day: Day) -> Criterion:
    raised = day.enzymes(3, or_equal=True)
    # A day that may be before the start of radiotherapy is either raised or of no account.
    return wanting(START, *raised.missing) if day.after is None and raised.holds else raised
