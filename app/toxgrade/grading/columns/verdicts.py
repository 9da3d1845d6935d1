"""The bounds of many grades in whole numbers: ``grading/verdicts.py`` for a group of tests.

What is unknown is null, and polars' logic is three-valued: ``null & false`` is false.
"""

from collections.abc import Callable
from functools import reduce
from operator import or_

import polars as pl

from toxgrade.criteria.model import Condition
from toxgrade.grading.columns.limits import (
    baseline_in_doubt,
    held,
    held_by_range,
    met,
    met_by_range,
    odd,
    slot_in_doubt,
    unreachable,
    within_one_uln,
)
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.slots import Group, Slot, said_of
from toxgrade.grading.columns.spellings import GRADES
from toxgrade.grading.flags import Reason

GRADED = {"at_least": pl.Int8, "at_most": pl.Int8, "reason": pl.Int8}


def _code(reason: Reason) -> pl.Expr:
    return pl.lit(REASON_CODES[reason], dtype=pl.Int8)


_CENSORED, _NO_BASELINE = _code(Reason.CENSORED_VALUE), _code(Reason.MISSING_BASELINE)
_NO_ULN, _NO_LLN = _code(Reason.MISSING_ULN), _code(Reason.MISSING_LLN)


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

    ``rows``: ``test_row`` (its test in the group), ``value`` Int64 in ``SCALE``, ``comparator``,
    ``high`` Boolean (high values are toxic), ``limit`` Int64 (ULN of a high term, LLN of a low one;
    null: missing), ``baseline`` Int64 and
    ``baseline_comparator`` (null: none to compare with; in the value's unit ``baseline`` x
    ``b_times`` / ``v_times``), and for conditions ``above_uln``, ``below_lln``,
    ``baseline_above_uln``, ``baseline_below_lln`` Boolean (null: unknown) and ``no_uln``,
    ``no_lln``; ``said_beyond`` Boolean, what a flag says of a missing limit.

    Returns ``at_least``, ``at_most`` and ``reason`` (Int8; null where decided), in the rows' order,
    and ``one_by_one``: only the plain grader can tell, as a limit lies within the same millionth.
    """
    numbers = group.frame().select(pl.all().gather(rows["test_row"]))
    frame = rows.hstack(numbers).with_row_index("place")
    exact = (pl.col("comparator") == 0) & (pl.col("baseline_comparator").fill_null(0) == 0)
    parts = [_hull(frame.filter(exact), group, held, met)]
    ranges = frame.filter(~exact)
    if len(ranges):
        parts.append(_hull(ranges, group, held_by_range, met_by_range))
    return pl.concat(parts).sort("place").drop("place")


def _hull(
    rows: pl.DataFrame,
    group: Group,
    compare: Callable[[int, Slot], pl.Expr],
    meet: Callable[[Condition], pl.Expr],
) -> pl.DataFrame:
    """Grade rows; where it is not known whether the baseline was normal, over both cases."""
    asked = group.asked
    if asked is None or not rows[asked].null_count():
        return _graded(rows, group.slots, compare, meet)
    known = _graded(rows.filter(pl.col(asked).is_not_null()), group.slots, compare, meet)
    either = rows.filter(pl.col(asked).is_null())
    normal, beyond = (
        _graded(either.with_columns(pl.lit(case).alias(asked)), group.slots, compare, meet)
        for case in (False, True)
    )
    both = normal.hstack(beyond.select(*(pl.col(name).alias(f"{name}_") for name in GRADED)))
    least, most = (
        pl.min_horizontal("at_least", "at_least_"),
        pl.max_horizontal("at_most", "at_most_"),
    )
    differ = (pl.col("at_least") != pl.col("at_least_")) | (pl.col("at_most") != pl.col("at_most_"))
    causes = pl.min_horizontal("reason", "reason_", pl.when(differ).then(_NO_BASELINE))
    reason = pl.when(least != most).then(causes)
    both = both.select("place", "one_by_one", at_least=least, at_most=most, reason=reason)
    return pl.concat([known, both.select(known.columns)])


def _graded(
    rows: pl.DataFrame,
    slots: tuple[Slot, ...],
    compare: Callable[[int, Slot], pl.Expr],
    meet: Callable[[Condition], pl.Expr],
) -> pl.DataFrame:
    """Return the highest grade certainly reached, the highest possible, and why they differ."""
    # Columns are added in steps, as a single expression would repeat comparisons at each use.
    comparisons, conditions, reached = [], [], []
    is_said = rows["said_beyond"].count() > 0
    is_missing = {name: rows[name].null_count() > 0 for name in ("limit", "baseline")}
    for place, slot in enumerate(slots):
        reaches = compare(place, slot)
        reaches = reaches.fill_null(said_of(place)) if is_said else reaches
        if is_missing[slot.against]:
            reaches = reaches.fill_null(unreachable(place, slot))
        comparisons.append(reaches.alias(f"held{place}"))
        reached.append(pl.col(f"held{place}"))
        if slot.condition is not None:
            conditions.append(meet(slot.condition).alias(f"met{place}"))
            reached[-1] &= pl.col(f"met{place}")
    compared = rows.with_columns(*comparisons, *conditions).with_columns(within_one_uln(slots))
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
    with_ends = {name for name in is_missing if is_missing[name] or compare is not held}
    one_by_one = _in_doubt(rows, slots, with_ends)
    return bounds.select("place", "at_least", "at_most", reason=reason, one_by_one=one_by_one)


def _in_doubt(rows: pl.DataFrame, slots: tuple[Slot, ...], with_ends: set[str]) -> pl.Expr:
    """Return whether a comparison may be otherwise for the numbers themselves."""
    if not rows.select(((odd("value") | odd("limit") | odd("baseline")) == 1).any()).item():
        return pl.lit(False)
    with_baseline = any(slot.condition and slot.condition.limit == "baseline" for slot in slots)
    doubts = [
        slot_in_doubt(place, slot, ends=slot.against in with_ends)
        for place, slot in enumerate(slots)
    ]
    return pl.any_horizontal(*doubts, *([baseline_in_doubt()] * with_baseline))


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
    absent, cause = ("no_uln", _NO_ULN) if condition.limit == "ULN" else ("no_lln", _NO_LLN)
    return pl.when(absent).then(cause).otherwise(_CENSORED)
