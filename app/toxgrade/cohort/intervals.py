"""Shares of patients in percent, and their exact confidence intervals."""

import math
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

_TAIL = 0.025  # on each side of a 95 % interval
_HALVINGS = 60  # of the interval 0 to 1, which leave less than a double can tell apart
_TERMS = 10_000  # of the continued fraction; it needs some square roots of n
_SMALL = 1e-300


def percent(n: int, of: int) -> int | float | None:
    """Return n in percent of ``of`` to one decimal (int where whole), halves up; None of 0."""
    return None if of == 0 else _one_decimal(Decimal(100 * n) / of)


def percent_interval(n: int, of: int) -> tuple[int | float | None, int | float | None]:
    """Return the 95 % limits of n out of ``of``, in percent to one decimal; None of 0."""
    if of == 0:
        return None, None
    low, high = clopper_pearson(n, of)
    return _one_decimal(Decimal(100 * low)), _one_decimal(Decimal(100 * high))


def _one_decimal(exact: Decimal) -> int | float:
    rounded = exact.quantize(Decimal("0.1"), ROUND_HALF_UP)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


@lru_cache(10_000)
def clopper_pearson(n: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % limits of a binomial share, n out of ``of`` (which is not 0).

    The lower limit is the share at which n or more are seen with a probability of 2.5 %, the upper
    one that at which n or fewer are (Clopper and Pearson, Biometrika 1934;26:404-413). Both are
    quantiles of beta distributions.
    """
    low = _beta_quantile(_TAIL, n, of - n + 1) if n else 0.0
    high = _beta_quantile(1 - _TAIL, n + 1, of - n) if n < of else 1.0
    return low, high


def _beta_quantile(probability: float, a: int, b: int) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _beta_distribution(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_distribution(x: float, a: int, b: int) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x > (a + 1) / (a + b + 2):  # There the fraction converges slowly; that of 1 - x does not.
        return 1 - _beta_distribution(1 - x, b, a)
    log_scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_scale += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_scale) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: int, b: int) -> float:
    """Return the continued fraction of I_x(a, b) (NIST DLMF 8.17.22) by Lentz's method."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, _TERMS):
        m = step // 2
        if step % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + numerator * d) or _SMALL)
        c = (1 + numerator / c) or _SMALL
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value
