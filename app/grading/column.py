"""The column kernel: the grades of all rows of one group of tests, in whole-number comparisons.

Unknowns are nulls and polars' logic on them is three-valued, as in ``limits.above``: a comparison
with a missing limit is null, ``null & false`` is false.
"""

from functools import reduce
from operator import or_

import polars as pl

from app.criteria.model import Condition
from app.grading.result import Reason
from app.grading.tables import REASON_CODES, SIMPLE, Group, Slot

_CENSORED = pl.lit(REASON_CODES[Reason.CENSORED_VALUE], dtype=pl.Int8)
_NO_BASELINE = pl.lit(REASON_CODES[Reason.MISSING_BASELINE], dtype=pl.Int8)
_NO_ULN = pl.lit(REASON_CODES[Reason.MISSING_ULN], dtype=pl.Int8)
_NO_LLN = pl.lit(REASON_CODES[Reason.MISSING_LLN], dtype=pl.Int8)
_OF_SIDE = {"ULN": _NO_ULN, "LLN": _NO_LLN}
_LESS, _LESS_OR_EQUAL, _MORE, _MORE_OR_EQUAL = 1, 2, 3, 4

GRADED = {"at_least": pl.Int8, "at_most": pl.Int8, "reason": pl.Int8}


def decide(rows: pl.DataFrame, group: Group) -> pl.DataFrame:
    """Grade every row by its test in ``group``.

    ``rows``: ``test_row`` (its test in the group), ``value`` Int64 millionths, ``comparator`` Int8
    (only rows of the simple group may have one), ``high`` Boolean (high values are toxic),
    ``limit`` Int64 (ULN of a high term, LLN of a low one; null: missing), ``baseline`` Int64 and
    ``above_uln``, ``below_lln``, ``baseline_above_uln``, ``baseline_below_lln`` Boolean (null:
    unknown).

    Returns ``at_least``, ``at_most`` and ``reason`` (Int8; null where decided), in the rows' order.
    """
    numbers = group.frame().select(pl.all().gather(rows["test_row"]))
    frame = pl.concat([rows, numbers], how="horizontal")
    censored = frame["comparator"] != 0
    if group.slots != SIMPLE or not censored.any():
        return frame.select(_interval(group.slots, [_reached(p, s) for p, s in _places(group)]))
    exact = frame.with_row_index("place").filter(~censored)
    ranges = frame.with_row_index("place").filter(censored)
    points = [_reached(place, slot) for place, slot in _places(group)]
    spans = [_reached_by_range(place, slot) for place, slot in _places(group)]
    return (
        pl.concat(
            [
                exact.select("place", *_interval(group.slots, points)),
                ranges.select("place", *_interval(group.slots, spans)),
            ]
        )
        .sort("place")
        .drop("place")
    )


def _places(group: Group) -> list[tuple[int, Slot]]:
    return list(enumerate(group.slots))


def _bound(place: int, slot: Slot) -> pl.Expr:
    """The right-hand side; null where the reference it needs is missing."""
    a_reference, constant = pl.col(f"b{place}"), pl.col(f"c{place}")
    if slot.against == "baseline":
        return a_reference * pl.col("baseline") + constant
    absolute = a_reference == 0
    return pl.when(absolute).then(constant).otherwise(a_reference * pl.col("limit") + constant)


def _reached(place: int, slot: Slot) -> pl.Expr:
    """Whether a plain value reaches the slot's limit; null: cannot be said."""
    reached = pl.col(f"a{place}") * pl.col("value") > _bound(place, slot)
    return reached if slot.condition is None else _met(slot.condition) & reached


def _met(condition: Condition) -> pl.Expr:
    """Whether the condition of a limit is met; null: cannot be said."""
    if condition.limit == "baseline":
        value, baseline = pl.col("value"), pl.col("baseline")
        return value > baseline if condition.comparison == ">" else value < baseline
    beyond = "above_uln" if condition.limit == "ULN" else "below_lln"
    known = pl.col(beyond if condition.subject == "value" else f"baseline_{beyond}")
    return known if condition.wants_beyond else ~known


def _reached_by_range(place: int, slot: Slot) -> pl.Expr:
    """The same for ``<5`` and its kin, against a strict limit.

    A range that runs on in the toxic direction (``>`` for a high term) certainly reaches a limit
    that its printed end reaches (or touches, if that end is not part of it), and always may; one
    that runs the other way may reach a limit below its end, and never certainly does.
    """
    end, bound, exists = (
        pl.col(f"a{place}") * pl.col("value"),
        _bound(place, slot),
        pl.col(f"a{place}") != 0,
    )
    upward = pl.col("comparator") >= _MORE
    is_open = pl.col("comparator").is_in([_LESS, _MORE])
    beyond_end = pl.when(is_open).then(end >= bound).otherwise(end > bound)
    possible = pl.col("high") | (bound < 0).fill_null(True)  # nothing lies below an LLN of 0
    toxic_way = pl.when(beyond_end).then(True).when(~possible).then(False)
    safe_way = pl.when(end > bound).then(None).when(end <= bound).then(False)
    return (
        pl.when(~exists)
        .then(False)
        .when(upward == pl.col("high"))
        .then(toxic_way)
        .otherwise(safe_way)
    )


def _interval(slots: tuple[Slot, ...], reached: list[pl.Expr]) -> list[pl.Expr]:
    """The highest grade certainly reached, the highest possible, and what is missing between."""
    at_least = _highest(slots, [expression.fill_null(False) for expression in reached])
    at_most = _highest(slots, [expression.fill_null(True) for expression in reached])
    causes = [
        pl.when(expression.is_null() & (at_least < slot.grade)).then(_cause(place, slot))
        for place, (slot, expression) in enumerate(zip(slots, reached, strict=True))
    ]
    return [
        at_least.alias("at_least"),
        at_most.alias("at_most"),
        pl.when(at_least != at_most).then(pl.min_horizontal(causes)).alias("reason"),
    ]


def _highest(slots: tuple[Slot, ...], reached: list[pl.Expr]) -> pl.Expr:
    """The highest grade one of whose slots is reached, else 0."""
    graded = pl.lit(0, dtype=pl.Int8)
    for grade in sorted({slot.grade for slot in slots}):
        places = [r for slot, r in zip(slots, reached, strict=True) if slot.grade == grade]
        graded = pl.when(reduce(or_, places)).then(pl.lit(grade, dtype=pl.Int8)).otherwise(graded)
    return graded


def _cause(place: int, slot: Slot) -> pl.Expr:
    """What is missing where a slot cannot be said to be reached or not."""
    if slot.against == "baseline":
        cause = pl.when(pl.col("baseline").is_null()).then(_NO_BASELINE).otherwise(_CENSORED)
    else:
        missing = pl.col("limit").is_null() & (pl.col(f"b{place}") != 0)
        limit = pl.when("high").then(_NO_ULN).otherwise(_NO_LLN)
        cause = pl.when(missing).then(limit).otherwise(_CENSORED)
    if slot.condition is None:
        return cause
    open_limit = pl.when(_bound(place, slot).is_null()).then(cause)
    of_value = slot.condition.subject == "value" and slot.condition.limit != "baseline"
    unmet = _OF_SIDE[slot.condition.limit] if of_value else _NO_BASELINE
    return pl.min_horizontal(open_limit, pl.when(_met(slot.condition).is_null()).then(unmet))
