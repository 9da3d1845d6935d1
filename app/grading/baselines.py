"""The baseline of every patient and term in a frame: the rule of ``patient.py`` on columns."""

import polars as pl

from app.grading.result import Reason
from app.grading.tables import REASON_CODES

_USABLE = (None, REASON_CODES[Reason.IMPLAUSIBLE_LIMIT])


def with_baselines(tests: pl.DataFrame) -> pl.DataFrame:
    """Choose the baseline of each patient and term and put it beside every row it belongs to.

    ``tests``: one row per result and term, graded by the limits of normal (``many.py``).

    Adds, null where there is no baseline: ``b_row`` (its place in the input), ``b_at_least``,
    ``b_at_most``, ``baseline`` (its millionths), ``baseline_above_uln``, ``baseline_below_lln``,
    ``b_unusable`` (its number cannot be compared with) and ``b_fits`` (a plain number in this row's
    own unit, so the kernel may compare with it).
    """
    candidates = tests.filter(
        pl.col("valid") & pl.col("before_start") & pl.col("term").is_not_null()
        & pl.col("patient").is_not_null()
    )  # fmt: skip
    usable = pl.col("refused_as").is_null() | (
        pl.col("refused_as") == REASON_CODES[Reason.IMPLAUSIBLE_LIMIT]
    )
    chosen = _choose(candidates).select(
        "patient",
        "term",
        b_row="row",
        b_at_least="at_least",
        b_at_most="at_most",
        b_unusable=~usable,
        b_plain=(pl.col("comparator") == 0) & ~pl.col("one_by_one"),
        b_unit="unit_name",
        baseline=pl.when(usable).then("value"),
        baseline_above_uln=pl.when(usable).then("above_uln"),
        baseline_below_lln=pl.when(usable).then("below_lln"),
    )
    joined = tests.drop("baseline", "baseline_above_uln", "baseline_below_lln").join(
        chosen, on=["patient", "term"], how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.col("b_unusable").fill_null(False),
        b_fits=(pl.col("b_plain") & (pl.col("b_unit") == pl.col("unit_name"))).fill_null(False),
    )


def _choose(candidates: pl.DataFrame) -> pl.DataFrame:
    """One row per patient and term: declared before undeclared, then the last day, then the rule.

    On the last day the later time counts if all are timed, else the worse grade, then the worse
    number; among equals the first row.
    """
    key = ["patient", "term"]
    day = pl.col("first").fill_null(pl.date(1, 1, 1))
    toxic = pl.col("value").cast(pl.Float64) * pl.col("canonical")
    last = (
        candidates.filter(pl.col("declared") == pl.col("declared").max().over(key))
        .filter(day == day.max().over(key))
        .with_columns(
            by_time=pl.when(pl.col("time").is_not_null().all().over(key)).then("time"),
            worst=pl.col("at_least").fill_null(-1).cast(pl.Int32) * 10
            + pl.col("at_most").fill_null(-1),
            number=pl.when("high").then(toxic).otherwise(-toxic).fill_null(0.0),
        )
    )
    return last.sort(
        [*key, "by_time", "worst", "number", "row"],
        descending=[False, False, False, False, False, True],
        nulls_last=False,
    ).unique(subset=key, keep="last", maintain_order=True)
