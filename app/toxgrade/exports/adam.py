"""Our columns under the names that CDISC's ADaM gives such variables in a laboratory data set."""

from collections.abc import Mapping

import polars as pl

_SHARED = {
    "row": "SRCSEQ", "term": "ATOXDSC", "reason": "ATOXREAS", "flags": "ATOXFL",
    "criterion": "ATOXCRIT", "phase": "APHASE", "on_treatment": "ONTRTFL",
    "days_from_end": "ADYEND", "edition": "ATOXVER", "at_least": "ATOXMIN", "at_most": "ATOXMAX",
}  # fmt: skip


def as_adam(rows: pl.DataFrame, graded: pl.DataFrame, high: Mapping[str, bool]) -> pl.DataFrame:
    """A BDS-like frame: the result's own variables first, then its grades by direction.

    ``rows``: our columns, one row per grading; ``high``: whether a term's high values are toxic.
    ATOXGRH and ATOXGRL hold the grade (null: undecided, or the term has the other direction),
    BTOXGRH and BTOXGRL the baseline's, ABLFL is Y on the baseline, TRTEMFL Y where a grade after
    the start is worse than the baseline's.
    """
    upward = (
        graded["term"].cast(pl.String).replace_strict(high, default=None, return_dtype=pl.Boolean)
    )
    after = pl.col("phase").cast(pl.String).is_in(["acute", "late"])
    values = rows.select(
        USUBJID="patient",
        PARAMCD="analyte",
        ADTC="collected",
        AVALC="value",
        AVAL=pl.col("value").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
        AVALU="unit",
        ANRLO=pl.col("lln").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
        ANRHI=pl.col("uln").cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False),
    )
    yes = pl.lit("Y")
    grades = graded.with_columns(upward=upward).select(
        pl.when("upward").then("grade").alias("ATOXGRH"),
        pl.when(~pl.col("upward")).then("grade").alias("ATOXGRL"),
        pl.when("upward").then("baseline_grade").alias("BTOXGRH"),
        pl.when(~pl.col("upward")).then("baseline_grade").alias("BTOXGRL"),
        pl.when(pl.col("phase").cast(pl.String) == "baseline").then(yes).alias("ABLFL"),
        pl.when(after & pl.col("worse_than_baseline")).then(yes).alias("TRTEMFL"),
        *(pl.col(ours).alias(theirs) for ours, theirs in _SHARED.items() if ours in graded.columns),
    )
    return values.hstack(grades)
