"""The kernel of the column grader: grades all rows of a group of tests in whole numbers.

What is unknown is null, and polars' logic is three-valued, as in ``limits.above``: a comparison
with a missing limit is null, and ``null & false`` is false.
"""

from collections.abc import Callable
from functools import reduce
from operator import or_

import polars as pl

from toxgrade.criteria.model import Condition
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.slots import Group, Slot, said_of
from toxgrade.grading.columns.spellings import GRADES
from toxgrade.grading.flags import Reason

GRADED = {"at_least": pl.Int8, "at_most": pl.Int8, "reason": pl.Int8}


def _code(reason: Reason) -> pl.Expr:
    return pl.lit(REASON_CODES[reason], dtype=pl.Int8)


_CENSORED, _NO_BASELINE = _code(Reason.CENSORED_VALUE), _code(Reason.MISSING_BASELINE)
_NO_ULN, _NO_LLN = _code(Reason.MISSING_ULN), _code(Reason.MISSING_LLN)
_LESS, _LESS_OR_EQUAL, _MORE = 1, 2, 3


def grade_by_thresholds() -> list[pl.Expr]:
    """Return ``at_least``, ``at_most`` and ``reason`` of values by the limits of normal alone.

    They read ``value``, ``refused`` (Int8, null: no) and the columns of ``Spellings.tests``. Only
    numbers without comparator in the simple group are correct; ``grade_group`` grades the others.
    """
    value = pl.when("high").then("value").otherwise(-pl.col("value"))
    refused, implausible = pl.col("refused"), _code(Reason.IMPLAUSIBLE_LIMIT)

    def bound(name: str, if_implausible: pl.Expr) -> pl.Expr:
        reached = pl.sum_horizontal((value > pl.col(f"{name}{g}")).cast(pl.Int8) for g in GRADES)
        graded = pl.when(refused.is_null()).then(reached.cast(pl.Int8))
        return graded.when(refused == implausible).then(if_implausible)

    least = bound("p", pl.lit(0, dtype=pl.Int8))
    most = bound("q", pl.col("highest"))
    missing = pl.when("high").then(_NO_ULN).otherwise(_NO_LLN)
    return [
        least.alias("at_least"),
        most.alias("at_most"),
        pl.when(refused.is_not_null())
        .then(refused)
        .when(least != most)
        .then(missing)
        .alias("reason"),
    ]


def grade_group(rows: pl.DataFrame, group: Group) -> pl.DataFrame:
    """Grade every row by its test in ``group``.

    ``rows``: ``test_row`` (its test in the group), ``value`` Int64 millionths, ``comparator`` Int8,
    ``high`` Boolean (high values are toxic), ``limit`` Int64 (ULN of a high term, LLN of a low one;
    null: missing), ``baseline`` Int64 and ``baseline_comparator`` (null: none to compare with; in
    the value's unit ``baseline`` x ``b_times`` / ``v_times``), and for conditions ``above_uln``,
    ``below_lln``, ``baseline_above_uln``, ``baseline_below_lln`` Boolean (null: unknown) and
    ``no_uln``, ``no_lln``; ``said_beyond`` Boolean, what a flag says of a missing limit.

    Returns ``at_least``, ``at_most`` and ``reason`` (Int8; null where decided), in the rows' order.
    """
    numbers = group.frame().select(pl.all().gather(rows["test_row"]))
    frame = rows.hstack(numbers).with_row_index("place")
    exact = (pl.col("comparator") == 0) & (pl.col("baseline_comparator").fill_null(0) == 0)
    parts = [_graded(frame.filter(exact), group.slots, _held, _met)]
    ranges = frame.filter(~exact)
    if len(ranges):
        parts.append(_graded(ranges, group.slots, _held_by_range, met_by_range))
    return pl.concat(parts).sort("place").drop("place")


def _graded(
    rows: pl.DataFrame,
    slots: tuple[Slot, ...],
    compare: Callable[[int, Slot], pl.Expr],
    met: Callable[[Condition], pl.Expr],
) -> pl.DataFrame:
    """Return the highest grade certainly reached, the highest possible, and why they differ."""
    # Columns are added in steps, as a single expression would repeat comparisons at each use.
    comparisons, conditions, reached = [], [], []
    is_said = rows["said_beyond"].count() > 0
    for place, slot in enumerate(slots):
        held = compare(place, slot)
        held = held.fill_null(said_of(place)) if is_said else held
        comparisons.append(held.alias(f"held{place}"))
        reached.append(pl.col(f"held{place}"))
        if slot.condition is not None:
            conditions.append(met(slot.condition).alias(f"met{place}"))
            reached[-1] &= pl.col(f"met{place}")
    compared = rows.with_columns(*comparisons, *conditions)
    compared = compared.with_columns(
        each.alias(f"reached{place}") for place, each in enumerate(reached)
    )
    names = [f"reached{place}" for place in range(len(slots))]
    bounds = compared.with_columns(
        at_least=_highest(slots, [pl.col(name).fill_null(False) for name in names]),
        at_most=_highest(slots, [pl.col(name).fill_null(True) for name in names]),
    )
    causes = [
        pl.when(pl.col(name).is_null() & (pl.col("at_least") < slot.grade)).then(
            _cause(place, slot)
        )
        for place, (name, slot) in enumerate(zip(names, slots, strict=True))
    ]
    reason = pl.when(pl.col("at_least") != pl.col("at_most")).then(pl.min_horizontal(causes))
    return bounds.select("place", "at_least", "at_most", reason=reason)


def _sides(place: int, slot: Slot) -> tuple[pl.Expr, pl.Expr]:
    """Return ``a x value`` and ``b x reference + c``; null where its reference is missing."""
    a, b, c = (pl.col(f"{letter}{place}") for letter in "abc")
    if slot.against == "baseline":
        v_times, b_times = pl.col("v_times"), pl.col("b_times")
        return a * v_times * pl.col("value"), b * b_times * pl.col("baseline") + c * v_times
    return a * pl.col("value"), pl.when(b == 0).then(c).otherwise(b * pl.col("limit") + c)


def _held(place: int, slot: Slot) -> pl.Expr:
    """Return whether a number reaches the limit, whatever its condition; null: not known."""
    side, bound = _sides(place, slot)
    return side >= bound if slot.or_equal else side > bound


def _held_by_range(place: int, slot: Slot) -> pl.Expr:
    """Return ``_held`` where the value or baseline has a comparator, as ``limits.above`` does.

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


def _met(condition: Condition) -> pl.Expr:
    """Return whether numbers meet the condition of a limit; null: not known."""
    if condition.limit == "baseline":
        value, baseline = _value_and_baseline()
        return value > baseline if condition.comparison == ">" else value < baseline
    beyond = "above_uln" if condition.limit == "ULN" else "below_lln"
    known = pl.col(beyond if condition.subject == "value" else f"baseline_{beyond}")
    return known if condition.wants_beyond else ~known


def met_by_range(condition: Condition) -> pl.Expr:
    """Return ``_met`` where the value or the baseline has a comparator."""
    if condition.limit != "baseline":
        return _met(condition)
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


def _highest(slots: tuple[Slot, ...], reached: list[pl.Expr]) -> pl.Expr:
    """Return the highest grade of which a slot is reached, else 0."""
    graded = pl.lit(0, dtype=pl.Int8)
    for grade in sorted({slot.grade for slot in slots}):
        places = [r for slot, r in zip(slots, reached, strict=True) if slot.grade == grade]
        graded = pl.when(reduce(or_, places)).then(pl.lit(grade, dtype=pl.Int8)).otherwise(graded)
    return graded


def _cause(place: int, slot: Slot) -> pl.Expr:
    """Return what is missing to decide whether a slot is reached."""
    if slot.against == "baseline":
        cause = pl.when(pl.col("baseline").is_null()).then(_NO_BASELINE).otherwise(_CENSORED)
    else:
        missing = pl.col("limit").is_null() & (pl.col(f"b{place}") != 0)
        limit = pl.when("high").then(_NO_ULN).otherwise(_NO_LLN)
        cause = pl.when(missing).then(limit).otherwise(_CENSORED)
    if slot.condition is None:
        return cause
    open_limit = pl.when(pl.col(f"held{place}").is_null()).then(cause)
    open_condition = pl.when(pl.col(f"met{place}").is_null()).then(_missing(slot.condition))
    return pl.min_horizontal(open_limit, open_condition)


def _missing(condition: Condition) -> pl.Expr:
    """Return what is missing to decide whether a condition is met."""
    if condition.limit == "baseline":
        return pl.when(pl.col("baseline").is_null()).then(_NO_BASELINE).otherwise(_CENSORED)
    if condition.subject == "baseline":
        return _NO_BASELINE
    absent, cause = ("no_uln", _NO_ULN) if condition.limit == "ULN" else ("no_lln", _NO_LLN)
    return pl.when(absent).then(cause).otherwise(_CENSORED)
