"""Which of the candidates is the baseline: the rule of ``patient.py`` on columns."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import polars as pl

KEY = "key"
"""A patient and a term, as one number."""

Canonical = Callable[[Mapping[str, Any]], Fraction]
"""The number of a candidate, by its columns, in its analyte's canonical unit."""


def nothing() -> pl.DataFrame:
    """No candidates, in their columns.

    ``number``: millionths of the reported unit; 0 where that is not known, null where it takes more
    than those and is to be read from its text.
    """
    return pl.DataFrame(
        schema={
            KEY: pl.Int64, "declared": pl.Boolean, "time": pl.Time, "high": pl.Boolean,
            "day": pl.Date, "worst": pl.Int32, "number": pl.Int64, "b_row": pl.Int64,
            "b_at_least": pl.Int8, "b_at_most": pl.Int8, "b_by_hand": pl.Boolean,
            "baseline": pl.Int64, "baseline_comparator": pl.Int8, "baseline_unit": pl.Int32,
            "baseline_above_uln": pl.Boolean, "baseline_below_lln": pl.Boolean,
        }
    )  # fmt: skip


def last_days(candidates: pl.DataFrame) -> pl.DataFrame:
    """Those that may still be chosen: of the last day, and of the last day with a declared one."""
    day = pl.col("day")
    last = day == day.max().over(KEY)
    if candidates["declared"].any():
        last |= pl.col("declared") & (day == day.filter("declared").max().over(KEY))
    return candidates.filter(last)


def choose(candidates: pl.DataFrame, canonical: Canonical) -> pl.DataFrame:
    """One row per patient and term, in their order: declared before undeclared, then the last day.

    On that day the later time counts if all are timed, then the worse grade, then the worse number;
    among equals the first row.
    """
    last = candidates
    if last["declared"].any():  # each step is a fifth of the work, and most exports need but three
        last = _highest(last, "declared")
    last = _highest(last, "day")
    if last["time"].count():
        all_timed = pl.col("time").is_not_null().all().over(KEY)
        last = _highest(last.with_columns(time=pl.when(all_timed).then("time")), "time")
    last = _highest(last, "worst")
    alone = last.select(pl.len().over(KEY) == 1).to_series()
    chosen = _worst_numbers(last.filter(~alone), canonical)
    return pl.concat([last.filter(alone), chosen]).sort(KEY)


def _worst_numbers(candidates: pl.DataFrame, canonical: Canonical) -> pl.DataFrame:
    """Of each key the worst number, in columns as far as its unit goes."""
    by_text = pl.col("number").is_null()
    toxic = pl.when("high").then("number").otherwise(-pl.col("number"))
    of_a_unit = [KEY, "baseline_unit"]
    worst = (
        candidates.filter(~by_text)
        .sort([*of_a_unit, toxic, "b_row"], descending=[False, False, False, True])
        .unique(subset=of_a_unit, keep="last", maintain_order=True)
    )
    several = pl.concat([worst, candidates.filter(by_text)]).with_row_index("place")
    alone = pl.len().over(KEY) == 1
    among = _worst(several.filter(~alone), canonical)
    return several.filter(alone | pl.col("place").is_in(among)).drop("place")


def _highest(candidates: pl.DataFrame, name: str) -> pl.DataFrame:
    """Those whose ``name`` is the highest of their key's; all where it is null."""
    return candidates.filter(pl.col(name).eq_missing(pl.col(name).max().over(KEY)))


def _worst(candidates: pl.DataFrame, canonical: Canonical) -> list[int]:
    """The ``place`` of each key's worst number: one by one, for they are in several units, or finer
    than millionths, and no two that differ may be taken for equal.
    """
    worst: dict[int, tuple[Fraction, int, int]] = {}
    for one in candidates.iter_rows(named=True):
        number = canonical(one)
        rank = number if one["high"] else -number, -one["b_row"], one["place"]
        worst[one[KEY]] = max(rank, worst.get(one[KEY], rank))
    return [place for _, _, place in worst.values()]


def declared_otherwise(
    candidates: pl.DataFrame, chosen: pl.DataFrame, canonical: Canonical
) -> pl.DataFrame:
    """``declared`` and ``by_date`` (Int64): the rows of what is chosen, and of what the date rule
    would choose, where they differ.
    """
    if not candidates["declared"].any():
        return pl.DataFrame(schema={"declared": pl.Int64, "by_date": pl.Int64})
    undated = pl.col("declared").fill_null(False) & (pl.col("day") == pl.date(1, 1, 1))
    dated = candidates.filter(~undated).with_columns(declared=pl.lit(False))
    both = chosen.join(choose(dated, canonical), on=KEY, suffix="_by_date")
    other = both.filter(pl.col("b_row") != pl.col("b_row_by_date"))
    return other.select(declared="b_row", by_date="b_row_by_date").sort("declared")
