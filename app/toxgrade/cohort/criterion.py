"""Criteria that hold, do not hold, or are not known, with what is missing to know them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Criterion:
    """Whether a criterion holds; None: not known, for want of what ``missing`` names."""

    holds: bool | None
    missing: tuple[str, ...] = ()


def wanting(*missing: str) -> Criterion:
    """Return a criterion that is not known for want of these."""
    return Criterion(None, missing)


def opposite(one: Criterion) -> Criterion:
    """Return the criterion that holds where this one does not."""
    return one if one.holds is None else Criterion(not one.holds)


def all_of(criteria: Iterable[Criterion]) -> Criterion:
    """Return whether all hold; an empty number of criteria does."""
    given = list(criteria)
    if any(one.holds is False for one in given):
        return Criterion(False)
    return Criterion(True) if all(one.holds for one in given) else wanting(*_missing(given))


def any_of(criteria: Iterable[Criterion]) -> Criterion:
    """Return whether any holds; of an empty number of criteria none does."""
    given = list(criteria)
    if any(one.holds for one in given):
        return Criterion(True)
    unknown = any(one.holds is None for one in given)
    return wanting(*_missing(given)) if unknown else Criterion(False)


def on_each(criteria: Iterable[Criterion], *, else_missing: str) -> Criterion:
    """Return what holds on each of several possible days or for each of several choices.

    Where they differ, ``else_missing`` names what would tell which it is.
    """
    given = list(criteria)
    seen = {one.holds for one in given}
    if len(seen) == 1 and None not in seen:
        return Criterion(seen.pop())
    differs = [else_missing] if len(seen) > 1 else []
    return wanting(*dict.fromkeys([*differs, *_missing(given)]))


def _missing(criteria: Iterable[Criterion]) -> list[str]:
    unknown = (one for one in criteria if one.holds is None)
    return list(dict.fromkeys(name for one in unknown for name in one.missing))


@dataclass(frozen=True, slots=True)
class Multiple:
    """The numbers that a value may be: multiples of a ULN or a baseline, or of its own unit.

    From ``low`` to ``high`` (None: without bound), each end open or closed. ``needs`` names what
    is missing to know the number exactly; empty if it is known.
    """

    low: Fraction
    high: Fraction | None
    low_open: bool = False
    high_open: bool = False
    needs: str = ""

    @property
    def exact(self) -> Fraction | None:
        """Return the number if it is known."""
        return self.low if self.low == self.high else None

    def above(self, limit: Fraction | int, *, or_equal: bool = False) -> Criterion:
        """Return whether the number is above a limit, or from it on."""
        if self.low > limit or (self.low == limit and (or_equal or self.low_open)):
            return Criterion(True)
        if self.high is None or self.high > limit:
            return wanting(self.needs)
        reaches = self.high == limit and or_equal and not self.high_open
        return wanting(self.needs) if reaches else Criterion(False)

    def over(self, divisor: "Multiple") -> "Multiple":
        """Return the quotient of two positive numbers that do not depend on each other."""
        needs = self.needs or divisor.needs
        if divisor.high == 0:  # A multiple of nothing says nothing.
            return Multiple(Fraction(0), None, needs=needs or "a baseline above 0")
        if divisor.high is None:
            low, low_open = Fraction(0), self.low > 0
        else:
            low, low_open = self.low / divisor.high, self.low_open or divisor.high_open
        high = None if self.high is None or not divisor.low else self.high / divisor.low
        high_open = high is not None and (self.high_open or divisor.low_open)
        return Multiple(low, high, low_open, high_open, needs)


def highest(multiples: Iterable[Multiple]) -> Multiple:
    """Return the numbers that the highest of several may be; there is at least one."""
    given = list(multiples)
    low = max(one.low for one in given)
    highs = [one.high for one in given if one.high is not None]
    high = max(highs) if len(highs) == len(given) else None
    needs = next((one.needs for one in given if one.needs), "")
    return Multiple(
        low,
        high,
        any(one.low_open for one in given if one.low == low),
        high is not None and all(one.high_open for one in given if one.high == high),
        needs if low != high else "",
    )
