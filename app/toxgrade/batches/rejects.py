"""The rows of an export that cannot be read as they are, each with its line and what to mend."""

import polars as pl

from toxgrade.grading.result import Reason
from toxgrade.tabular.lab_export import Chunk
from toxgrade.tabular.layouts import Layout
from toxgrade.tabular.table import CELL, LINE, ROW

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


NOTHING_REJECTED = pl.DataFrame(
    schema={
        "file": pl.String, "line": pl.Int64, "row": pl.Int64, "column": pl.String,
        "reason": pl.String,
    }
)  # fmt: skip


def rejected(chunk: Chunk, graded: pl.DataFrame, place: pl.Series, layout: Layout) -> pl.DataFrame:
    """``file``, ``line`` in it, ``row`` of all (both from 1), ``column`` (the input's name) and
    ``reason``; no values. Of a wide export ``column`` is that of the value, whatever is wrong.

    ``graded`` as ``ColumnGrader`` gives it, ``place``: its rows' places in the piece. A row without
    a patient is here with ``missing-patient``: it is graded, but has neither baseline nor phase.
    """
    names = {reason.value: layout.named.get(column, column) for reason, column in COLUMN_OF.items()}
    reasons = graded["reason"]
    here = reasons.is_in(list(names)).arg_true()
    unread = pl.DataFrame({"reason": reasons[here].cast(pl.String), "place": place[here]}).unique(
        "place", keep="first"
    )
    unread = unread.with_columns(
        column=pl.col("reason").replace_strict(names, return_dtype=pl.String)
    )
    nobody = chunk.rows["patient"].is_null().arg_true().cast(pl.Int64)
    unnamed = pl.DataFrame({"place": nobody}).with_columns(
        reason=pl.lit("missing-patient"), column=pl.lit(layout.named.get("patient", "patient"))
    )
    both = pl.concat([unread, unnamed.select(unread.columns)]).sort("place", "reason")
    if CELL in chunk.rows.columns:
        cell = chunk.rows[CELL].gather(both["place"])
        named = pl.col("column").is_in(list(layout.named.values()))
        both = both.with_columns(column=pl.when(named).then("column").otherwise(cell))
    return both.select(
        pl.lit(chunk.table.name).alias("file"),
        chunk.rows[LINE].gather(both["place"]).alias("line"),
        (chunk.rows[ROW].gather(both["place"]) + 1).alias("row"),
        "column",
        "reason",
    )
