"""Whether rows reach a limit, three-valued: ``grading/limits.py`` for many rows.

What is unknown is null, as in ``limits.above``: a comparison with a missing limit is null, unless
it could not be reached whatever it is.
"""

from collections.abc import Iterator

import polars as pl

from toxgrade.criteria.model import Condition
from toxgrade.grading.columns.slots import Slot, column_of

_LESS, _LESS_OR_EQUAL, _MORE = 1, 2, 3


def odd(number: str) -> pl.Expr:
    """Return 1 where a number of ``SCALE`` stands for all those between two millionths, else 0."""
    return (pl.col(number) & 1).fill_null(0)


def in_doubt(left: pl.Expr | int, right: pl.Expr, radius: pl.Expr) -> pl.Expr:
    """Return whether a comparison of two numbers may be otherwise than that of their integers.

    Each number is less than 1 from its integer if that is odd, else it is the integer; ``radius``
    is what both may be off together, times their factors. Farther apart, or as far, they compare
    as their integers do.
    """
    return ((left - right).abs() < radius).fill_null(False)


def near(number: str, end: str) -> pl.Expr:
    """Return whether a number may be on the other side of an end of a plausible band, which was
    rounded to a whole number.
    """
    return (odd(number) == 1) & ((pl.col(number) - pl.col(end)).abs() <= 1).fill_null(False)


def slot_in_doubt(place: int, slot: Slot, *, ends: bool) -> pl.Expr:
    """Return whether ``held`` may be otherwise for the numbers themselves; with ``ends``, whether
    ``held_by_range`` or ``unreachable`` may, which compare the other ends of intervals too.
    """
    side, bound = _sides(place, slot)
    a, b, constant = pl.col(f"a{place}").abs(), pl.col(f"b{place}").abs(), pl.col(f"c{place}")
    if slot.against == "baseline":
        a, b = a * pl.col("v_times"), b * pl.col("b_times")
        constant = constant * pl.col("v_times")
    of_value, of_other = a * odd("value"), (b * odd(slot.against)).fill_null(0)
    found = in_doubt(side, bound, of_value + of_other)
    if not ends:
        return found
    return found | in_doubt(side, constant, of_value) | in_doubt(0, bound, of_other)


def baseline_in_doubt() -> pl.Expr:
    """Return whether ``met`` may be otherwise for a value and a baseline themselves."""
    value, baseline = _value_and_baseline()
    radius = pl.col("v_times") * odd("value") + pl.col("b_times") * odd("baseline")
    return in_doubt(value, baseline, radius)


def _sides(place: int, slot: Slot) -> tuple[pl.Expr, pl.Expr]:
    """Return ``a x value`` and ``b x reference + c``; null where its reference is missing."""
    a, b, c = (pl.col(f"{letter}{place}") for letter in "abc")
    if slot.against == "baseline":
        v_times, b_times = pl.col("v_times"), pl.col("b_times")
        return a * v_times * pl.col("value"), b * b_times * pl.col("baseline") + c * v_times
    return a * pl.col("value"), pl.when(b == 0).then(c).otherwise(b * pl.col("limit") + c)


def held(place: int, slot: Slot) -> pl.Expr:
    """Return whether a number reaches the limit, whatever its condition; null: not known."""
    side, bound = _sides(place, slot)
    return side >= bound if slot.or_equal else side > bound


def held_by_range(place: int, slot: Slot) -> pl.Expr:
    """Return ``held`` where the value or baseline has a comparator, as ``limits.above`` does.

    In a high term the value must be above the bound, in a low term the bound above the value.
    """
    side, bound = _sides(place, slot)
    against_baseline = slot.against == "baseline"
    constant = pl.col(f"c{place}") * (pl.col("v_times") if against_baseline else 1)
    sign = pl.col("baseline_comparator") if against_baseline else pl.lit(0, dtype=pl.Int8)
    offset = pl.when("high").then(constant).otherwise(-constant)
    value = _Range(side.abs(), pl.col("comparator"))
    other = _Range(pl.when("high").then(bound).otherwise(-bound), sign, offset)
    toxic = pl.when("high").then(value.above(other, or_equal=slot.or_equal))
    mirrored = other.above(value, or_equal=slot.or_equal)
    return pl.when(pl.col(f"a{place}") == 0).then(False).otherwise(toxic.otherwise(mirrored))


def unreachable(place: int, slot: Slot) -> pl.Expr:
    """Return False where a high value reaches no limit, whatever its missing reference is; or null.

    A missing ULN is above 0, a missing baseline 0 or more, and above 0 if it was above its ULN.
    """
    a, b, c = (pl.col(f"{letter}{place}") for letter in "abc")
    reach, sign = a * pl.col("value"), pl.col("comparator")
    missing = pl.col("high") & pl.col(slot.against).is_null() & (b != 0)
    asked = slot.condition and slot.condition.subject == "baseline" and slot.condition.limit
    may_be_zero = slot.or_equal and slot.against == "baseline" and asked != "ULN"
    on_it = sign == _LESS if may_be_zero else pl.lit(True)
    never = (reach < c) | ((reach == c) & on_it)
    return pl.when(missing & (sign < _MORE) & never).then(False)


def within_one_uln(slots: tuple[Slot, ...]) -> Iterator[pl.Expr]:
    """Yield the comparisons with a baseline that, if it is missing, was above the value's ULN."""
    for place, slot in enumerate(slots):
        if slot.one_uln:
            of_limit = next(i for i, s in enumerate(slots) if s[:2] == (slot.grade, "limit"))
            within = pl.col("baseline").is_null() & ~pl.col(f"held{of_limit}")
            yield pl.when(within).then(False).otherwise(f"held{place}").alias(f"held{place}")


def met(condition: Condition) -> pl.Expr:
    """Return whether numbers meet the condition of a limit; null: not known."""
    if condition.limit == "baseline":
        value, baseline = _value_and_baseline()
        return value > baseline if condition.comparison == ">" else value < baseline
    known = pl.col(column_of(condition))
    return known if condition.wants_beyond else ~known


def met_by_range(condition: Condition) -> pl.Expr:
    """Return ``met`` where the value or the baseline has a comparator."""
    if condition.limit != "baseline":
        return met(condition)
    numbers = _value_and_baseline()
    value, baseline = map(_Range, numbers, (pl.col("comparator"), pl.col("baseline_comparator")))
    if condition.comparison == ">":
        return value.above(baseline, or_equal=False)
    return baseline.above(value, or_equal=False)


def _value_and_baseline() -> tuple[pl.Expr, pl.Expr]:
    """Return the value and the baseline as whole numbers of one unit."""
    return pl.col("value") * pl.col("v_times"), pl.col("baseline") * pl.col("b_times")


class _Range:
    """The interval of a reported number times a factor plus ``offset``, by its comparator.

    ``end`` is that of the printed number. ``<5`` reaches from the offset (no value is negative) to
    ``end``, ``>5`` from ``end`` to infinity. ``endless`` and ``low_open`` … are Boolean.
    """

    def __init__(self, end: pl.Expr, sign: pl.Expr, offset: pl.Expr | None = None) -> None:
        start = pl.lit(0, dtype=pl.Int64) if offset is None else offset
        runs_down = (sign == _LESS) | (sign == _LESS_OR_EQUAL)
        self.low, self.high = pl.when(runs_down).then(start).otherwise(end), end
        self.low_open, self.high_open, self.endless = sign == _MORE, sign == _LESS, sign >= _MORE

    def above(self, other: "_Range", *, or_equal: bool) -> pl.Expr:
        """Return whether it is above the other; null if possible pairs of numbers disagree."""
        closed = ~(self.low_open | other.high_open)
        certain = (self.low > other.high) | (
            (self.low == other.high) & (pl.lit(or_equal) | ~closed)
        )
        touches = (self.high == other.low) & ~(self.high_open | other.low_open) & pl.lit(or_equal)
        possible = self.endless | (self.high > other.low) | touches
        known = self.high.is_not_null() & other.high.is_not_null()
        return (
            pl.when(~known)
            .then(pl.lit(None, dtype=pl.Boolean))
            .when(certain & ~other.endless)
            .then(True)
            .when(possible)
            .then(pl.lit(None, dtype=pl.Boolean))
            .otherwise(False)
        )
