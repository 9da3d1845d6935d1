"""The choice of baselines among candidates: the rule of ``grading/patient.py`` on columns."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import polars as pl

KEY = "key"
"""The column of one number for a patient and a term: patient x number of terms + term."""

Canonical = Callable[[Mapping[str, Any]], Fraction]
"""A function from a candidate's columns to its number in the analyte's canonical unit."""


def no_candidates() -> pl.DataFrame:
    """Return an empty frame with the columns of candidates.

    ``number``: millionths of the reported unit; 0 where that is unknown, null where they are not
    enough and the number must be parsed from its text.
    """
    return pl.DataFrame(
        schema={
            KEY: pl.Int64, "declared": pl.Boolean, "time": pl.Time, "high": pl.Boolean,
            "day": pl.Date, "worst": pl.Int32, "number": pl.Int64, "b_row": pl.Int64,
            "b_at_least": pl.Int8, "b_at_most": pl.Int8, "b_one_by_one": pl.Boolean,
            "baseline": pl.Int64, "baseline_comparator": pl.Int8, "baseline_unit": pl.Int32,
            "baseline_above_uln": pl.Boolean, "baseline_below_lln": pl.Boolean,
        }
    )  # fmt: skip


def last_days(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return candidates of the last day, and declared ones of the last day with a declared one."""
    day = pl.col("day")
    last = day == day.max().over(KEY)
    if candidates["declared"].any():
        last |= pl.col("declared") & (day == day.filter("declared").max().over(KEY))
    return candidates.filter(last)


def choose(candidates: pl.DataFrame, canonical: Canonical) -> pl.DataFrame:
    """Return one row per patient and term, by ``KEY``: declared ones first, then of the last day.

    On that day the later time counts if all have one, then the worse grade, then the worse number;
    among equals the first row.
    """
    last = candidates
    # Each step is a fifth of the work, and most exports need only three.
    if last["declared"].any():
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
    """Return each key's worst number: in columns within one unit, else by ``_worst``."""
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
    places = _worst(several.filter(~alone), canonical)
    return several.filter(alone | pl.col("place").is_in(places)).drop("place")


def _highest(candidates: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return rows where ``name`` is the highest of their key; all where it is null for all."""
    return candidates.filter(pl.col(name).eq_missing(pl.col(name).max().over(KEY)))


def _worst(candidates: pl.DataFrame, canonical: Canonical) -> list[int]:
    """Return the ``place`` of each key's worst number, compared one by one as exact fractions."""
    worst: dict[int, tuple[Fraction, int, int]] = {}
    for one in candidates.iter_rows(named=True):
        number = canonical(one)
        rank = number if one["high"] else -number, -one["b_row"], one["place"]
        worst[one[KEY]] = max(rank, worst.get(one[KEY], rank))
    return [place for _, _, place in worst.values()]


def declared_otherwise(
    candidates: pl.DataFrame, chosen: pl.DataFrame, canonical: Canonical
) -> pl.DataFrame:
    """Return rows chosen (``declared``) and rows by the date rule (``by_date``) that differ."""
    if not candidates["declared"].any():
        return pl.DataFrame(schema={"declared": pl.Int64, "by_date": pl.Int64})
    undated = pl.col("declared").fill_null(False) & (pl.col("day") == pl.date(1, 1, 1))
    dated = candidates.filter(~undated).with_columns(declared=pl.lit(False))
    both = chosen.join(choose(dated, canonical), on=KEY, suffix="_by_date")
    other = both.filter(pl.col("b_row") != pl.col("b_row_by_date"))
    return other.select(declared="b_row", by_date="b_row_by_date").sort("declared")
