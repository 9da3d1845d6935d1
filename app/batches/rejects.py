"""The rows of an export that cannot be read as they are, each with its line and what to mend."""

import polars as pl

from app.batches.layouts import Layout
from app.grading.result import Reason

COLUMN_OF = {
    Reason.UNKNOWN_ANALYTE: "analyte",
    Reason.MISSING_VALUE: "value",
    Reason.UNREADABLE_VALUE: "value",
    Reason.UNREADABLE_DATE: "collected",
    Reason.MISSING_UNIT: "unit",
    Reason.UNKNOWN_UNIT: "unit",
    Reason.IMPLAUSIBLE_VALUE: "value",
}
"""The column that keeps a row from being read. A cancelled result, or one whose limits are missing,
is read: it is not here."""


def rejected(
    rows: pl.DataFrame, graded: pl.DataFrame, lines: pl.Series, layout: Layout
) -> pl.DataFrame:
    """``line``, ``row`` (both from 1), ``column`` (the input's name), ``reason``; no values.

    ``rows`` and ``graded`` as ``grade_rows`` takes and gives them. A row without a patient is here
    with ``missing-patient``: it is graded, but has neither baseline nor phase.
    """
    names = {reason.value: layout.named.get(column, column) for reason, column in COLUMN_OF.items()}
    unread = (
        graded.unique("row", keep="first", maintain_order=True)
        .filter(pl.col("reason").is_in(list(names)))
        .select("row", "reason", column=pl.col("reason").replace_strict(names))
    )
    nobody = rows.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "patient").filter(
        pl.col("patient").is_null()
    )
    unnamed = nobody.select(
        "row", reason=pl.lit("missing-patient"), column=pl.lit(layout.named["patient"])
    )
    both = pl.concat([unread, unnamed]).sort("row", "reason")
    line = lines.gather(both["row"]).alias("line")
    return both.select(line, pl.col("row") + 1, "column", "reason")
