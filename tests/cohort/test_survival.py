"""Time to event against published worked examples."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.cohort.survival import (
    Observation,
    Outcome,
    Step,
    at,
    at_risk,
    cumulative_incidence,
    kaplan_meier,
    median,
)


def observations(text: str) -> list[Observation]:
    """``6 6+ 7x``: an event after 6 days, censored after 6, a competing event after 7."""
    outcomes: dict[str, Outcome] = {"+": "censored", "x": "competing"}
    return [
        Observation(int(one.rstrip("+x")), outcomes.get(one[-1], "event")) for one in text.split()
    ]


REMISSION = observations("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+")
"""Weeks of remission under 6-mercaptopurine, Freireich et al., Blood 1963;21:699-716."""


@pytest.mark.parametrize(
    ("week", "at_risk_then", "survival", "standard_error"),
    [
        # Lawless, Statistical Models and Methods for Lifetime Data, 1982, table of this example
        (6, 21, 0.857, 0.0764),
        (7, 17, 0.807, 0.0869),
        (10, 15, 0.753, 0.0963),
        (13, 12, 0.690, 0.1068),
        (16, 11, 0.627, 0.1141),
        (22, 7, 0.538, 0.1282),
        (23, 6, 0.448, 0.1346),
    ],
)
def test_kaplan_meier(week: int, at_risk_then: int, survival: float, standard_error: float) -> None:
    steps = kaplan_meier(REMISSION)
    step = at(steps, week)
    assert step is not None
    assert (step.days, step.at_risk) == (week, at_risk_then)
    assert step.estimate == pytest.approx(survival, abs=0.0005)
    assert _standard_error(step) == pytest.approx(standard_error, abs=0.0001)


def _standard_error(step: Step) -> float:
    """What the limits were made from, on the log(-log) scale; 0 where there are none."""
    if step.low is None or step.high is None:
        return 0.0
    width = math.log(-math.log(step.low)) - math.log(-math.log(step.high))
    return width / 2 / 1.959964 * step.estimate * -math.log(step.estimate)


def test_median_and_patients_at_risk() -> None:
    assert median(kaplan_meier(REMISSION)) == 23
    assert median(kaplan_meier(observations("5 6+ 7+"))) is None
    assert at(kaplan_meier(REMISSION), 5) is None
    assert [at_risk(REMISSION, week) for week in (0, 6, 7, 36)] == [21, 21, 17, 0]


def test_cumulative_incidence_by_hand() -> None:
    """Five patients: event, competing, censored, event, competing: fractions worked by hand."""
    steps = cumulative_incidence(observations("1 2x 3+ 4 5x"))
    # 1/5; then 4/5 x 3/4 = 3/5 are free of both up to day 4, when one of two has the event
    assert [step.estimate for step in steps] == pytest.approx([1 / 5, 1 / 5, 1 / 5, 1 / 2, 1 / 2])
    assert [step.at_risk for step in steps] == [5, 4, 3, 2, 1]


def test_everyone_had_it() -> None:
    (step,) = cumulative_incidence(observations("3 3"))
    assert (step.estimate, step.low, step.high) == (1, None, None)
    assert cumulative_incidence([]) == kaplan_meier([]) == []


def test_everyone_had_it_though_the_sum_of_shares_rounds_to_less_than_one() -> None:
    last = cumulative_incidence(observations("0 1+ 2 2 2 2 3"))[-1]
    assert (last.estimate, last.low, last.high) == (1, None, None)


_outcome: st.SearchStrategy[Outcome] = st.sampled_from(["event", "competing", "censored"])
_cohort = st.lists(st.builds(Observation, st.integers(0, 30), _outcome), min_size=1, max_size=40)


@given(_cohort)
def test_shares_of_both_events_and_of_none_sum_to_one(cohort: list[Observation]) -> None:
    swapped: dict[Outcome, Outcome] = {
        "event": "competing", "competing": "event", "censored": "censored",
    }  # fmt: skip
    either: dict[Outcome, Outcome] = {
        "event": "event", "competing": "event", "censored": "censored",
    }  # fmt: skip
    first = cumulative_incidence(cohort)
    second = cumulative_incidence([Observation(o.days, swapped[o.outcome]) for o in cohort])
    neither = kaplan_meier([Observation(o.days, either[o.outcome]) for o in cohort])
    for one, other, none in zip(first, second, neither, strict=True):
        assert one.estimate + other.estimate + none.estimate == pytest.approx(1)


@given(_cohort)
def test_of_a_cohort_seen_to_the_end_the_error_is_that_of_a_share(
    cohort: list[Observation],
) -> None:
    """With nobody censored each curve is a share of n patients: its variance is p (1 - p) / n."""
    seen = [one for one in cohort if one.outcome != "censored"]
    for step in cumulative_incidence(seen):
        share = step.estimate * (1 - step.estimate) / len(seen)
        assert _standard_error(step) == pytest.approx(math.sqrt(share), abs=1e-6)


@given(_cohort)
def test_the_error_of_a_share_beside_competing_events(cohort: list[Observation]) -> None:
    """The delta method's sum as it is printed (Marubini and Valsecchi 1995, formula 10.12)."""
    steps = cumulative_incidence(cohort)
    free = [1.0]
    for step in steps:
        free.append(free[-1] * (1 - (step.events + step.competing) / step.at_risk))
    for last, step in enumerate(steps):
        variance = 0.0
        for one, before in zip(steps[: last + 1], free, strict=False):
            n, events, ended = one.at_risk, one.events, one.events + one.competing
            more = step.estimate - one.estimate
            variance += more**2 * ended / (n * (n - ended)) if ended < n else 0
            variance += before**2 * events * (n - events) / n**3
            variance -= 2 * more * before * events / n**2
        if step.low is not None:
            assert _standard_error(step) == pytest.approx(math.sqrt(max(variance, 0)), abs=1e-6)


@given(_cohort)
def test_without_a_competing_event_the_two_agree(cohort: list[Observation]) -> None:
    alone = [o for o in cohort if o.outcome != "competing"]
    for one, other in zip(cumulative_incidence(alone), kaplan_meier(alone), strict=True):
        assert one.estimate == pytest.approx(1 - other.estimate)


@given(_cohort)
def test_curves_run_one_way_within_their_limits(cohort: list[Observation]) -> None:
    steps = cumulative_incidence(cohort)
    values = [step.estimate for step in steps]
    assert values == sorted(values)
    for step in steps:
        if step.low is not None and step.high is not None:
            assert 0 <= step.low <= step.estimate <= step.high <= 1
