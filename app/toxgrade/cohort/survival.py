"""Time to an event among patients followed for different lengths of time.

Kaplan and Meier, J Am Stat Assoc 1958;53:457-481; with a competing event Aalen and Johansen, Scand
J Stat 1978;5:141-150. Variances: Greenwood 1926, and for the cumulative incidence the delta method
(Marubini and Valsecchi, Analysing Survival Data, 1995, formula 10.12). Confidence limits are
95 %, on the scale log(-log), so that they stay between 0 and 1 (Kalbfleisch and Prentice 1980).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from toxgrade.cohort.described import answer, described

Outcome = Literal["event", "competing", "censored"]

_Z = 1.959963984540054  # 97.5th percentile of the normal distribution
_ROUNDING = 1e-12  # the error that sums over days may have: far less than one patient's share


@dataclass(frozen=True, slots=True)
class Observation:
    """One patient: whole days from the start to ``outcome``; ``censored``: no event by then."""

    days: int
    outcome: Outcome


@answer
class Step:
    """The curve from a day on: its value with confidence limits, and the counts of that day."""

    days: int = described("Days from the start of radiotherapy.", 112)
    at_risk: int = described("Patients followed up to that day without an earlier event.", 4)
    events: int = described("Events of that day.", 1)
    competing: int = described("Competing events of that day.", 0)
    censored: int = described("Patients whose follow-up ends that day.", 0)
    estimate: float = described("A share from 0 to 1.", 0.25)
    low: float | None = described("Lower 95 % limit; null: the estimate is 0 or 1.", 0.01)
    high: float | None = described("Upper 95 % limit; null: the estimate is 0 or 1.", 0.66)


@dataclass(frozen=True, slots=True)
class _Day:
    """The counts of one day; ``free``: the share of patients without any event just before it."""

    days: int
    at_risk: int
    events: int
    competing: int
    censored: int
    free: float


def cumulative_incidence(observations: Iterable[Observation]) -> list[Step]:
    """Return the share of patients with the event, by day, where a competing one can prevent it."""
    steps, share, sums = [], 0.0, _VarianceSums()
    for day in _days(observations):
        share += day.free * day.events / day.at_risk
        sums.add(day, share)
        steps.append(_step(day, share, sums.variance(share)))
    return steps


def kaplan_meier(observations: Iterable[Observation]) -> list[Step]:
    """Return the share of patients without the event, by day; competing events are censored."""
    steps, share, hazard = [], 1.0, 0.0
    for day in _days(observations, competing_ends=False):
        share *= 1 - day.events / day.at_risk
        if day.events < day.at_risk:
            hazard += day.events / (day.at_risk * (day.at_risk - day.events))
        steps.append(_step(day, share, share**2 * hazard))
    return steps


def median(survival: Sequence[Step]) -> int | None:
    """Return the first day on which at most half are without the event; None: not reached.

    So where the curve is exactly one half for a time, the first day of that time.
    """
    return next((step.days for step in survival if step.estimate <= 0.5 + _ROUNDING), None)


def at(steps: Sequence[Step], days: int) -> Step | None:
    """Return the step that holds on a day; None before the first."""
    return next((step for step in reversed(steps) if step.days <= days), None)


def is_settled(steps: Sequence[Step]) -> bool:
    """Return whether nobody is left in whom the curve could still change: it keeps its last value.

    Then the last patients at risk had the event or the competing one; a curve that takes competing
    events as censored needs none of these on the last day.
    """
    return bool(steps) and steps[-1].censored == 0


def at_risk(observations: Iterable[Observation], days: int) -> int:
    """Return how many are followed up to a day without an event before it."""
    return sum(1 for one in observations if one.days >= days)


def _days(observations: Iterable[Observation], *, competing_ends: bool = True) -> list[_Day]:
    """Return the days of any outcome, in order; on one day events come before censoring."""
    counts: dict[int, Counter[Outcome]] = {}
    for one in observations:
        counts.setdefault(one.days, Counter())[one.outcome] += 1
    left, free, days = sum(map(Counter.total, counts.values())), 1.0, []
    for day in sorted(counts):
        found = counts[day]
        happened = found["event"] + (found["competing"] if competing_ends else 0)
        days.append(_Day(day, left, found["event"], found["competing"], found["censored"], free))
        free *= 1 - happened / left
        left -= found.total()
    return days


class _VarianceSums:
    """The variance of a cumulative incidence, held as sums over the days so far.

    The formula sums (F - F_i)^2 a_i - 2 (F - F_i) b_i + c_i over days i, where F is the share of
    the current day. Sums of powers of F_i need n steps for n days instead of n squared.
    """

    def __init__(self) -> None:
        self._a, self._b, self._c = [0.0, 0.0, 0.0], [0.0, 0.0], 0.0

    def add(self, day: _Day, share: float) -> None:
        n, events, ended = day.at_risk, day.events, day.events + day.competing
        a = ended / (n * (n - ended)) if ended < n else 0.0
        b = day.free * events / n**2
        self._a = [sum_ + a * share**power for power, sum_ in enumerate(self._a)]
        self._b = [sum_ + b * share**power for power, sum_ in enumerate(self._b)]
        self._c += day.free**2 * events * (n - events) / n**3

    def variance(self, share: float) -> float:
        squared = share**2 * self._a[0] - 2 * share * self._a[1] + self._a[2]
        return max(squared - 2 * (share * self._b[0] - self._b[1]) + self._c, 0.0)


def _step(day: _Day, estimate: float, variance: float) -> Step:
    low = high = None
    if abs(estimate - round(estimate)) < _ROUNDING:
        estimate = float(round(estimate))
    if 0 < estimate < 1:
        width = _Z * math.sqrt(variance) / (estimate * math.log(estimate))
        low, high = sorted((estimate ** math.exp(width), estimate ** math.exp(-width)))
    counted = (day.days, day.at_risk, day.events, day.competing, day.censored)
    return Step(*counted, estimate, low, high)
