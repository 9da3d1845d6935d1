"""Percentages, and exact confidence intervals against R and against the binomial distribution."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.cohort.intervals import clopper_pearson, percent, percent_interval


@pytest.mark.parametrize(
    ("n", "of", "shown"), [(1, 25, 4), (1, 3, 33.3), (1, 16, 6.3), (1, 80, 1.3), (0, 0, None)]
)
def test_percentages_round_halves_up(n: int, of: int, shown: float | None) -> None:
    assert percent(n, of) == shown


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [
        # binom.test(n, of)$conf.int of R
        (0, 25, 0, 13.7),
        (4, 25, 4.5, 36.1),
        (13, 25, 31.3, 72.2),
        (25, 25, 86.3, 100),
        (1, 1, 2.5, 100),
    ],
)
def test_intervals_of_r(n: int, of: int, low: float, high: float) -> None:
    assert percent_interval(n, of) == (low, high)


def test_an_interval_of_nobody_is_empty() -> None:
    assert percent_interval(0, 0) == (None, None)


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_each_limit_leaves_two_and_a_half_percent_beyond(counted: tuple[int, int]) -> None:
    n, of = counted
    low, high = clopper_pearson(n, of)
    if n:
        assert float(_at_most(n - 1, of, Fraction(low))) == pytest.approx(0.975, abs=1e-9)
    if n < of:
        assert float(_at_most(n, of, Fraction(high))) == pytest.approx(0.025, abs=1e-9)


def _at_most(n: int, of: int, share: Fraction) -> Fraction:
    """Return the probability of n or fewer of ``of``, summed exactly."""
    return sum(
        (comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(n + 1)), Fraction(0)
    )
