"""Wide exports: one column per analyte becomes one row per value."""

import polars as pl

from toxgrade.batches.layouts import as_declared
from toxgrade.batches.reading import Reading
from toxgrade.batches.tables import CELL, ROW

_PLACE, _TAKEN = "\x00place", "\x00taken"
_SAME = ("analyte", "unit", "limit_unit")


def melt(
    given: pl.DataFrame, rows: pl.DataFrame, reading: Reading
) -> tuple[pl.DataFrame, pl.Series]:
    """One row per filled cell of the mapped columns, in the order of rows, then of the mapping.

    Returns the long ``rows``, with ``CELL``, and for each its place in ``given``.
    """
    # As texts: numbers would tell of patients of whom no cell is filled.
    common, parts = rows.cast({pl.Categorical: pl.String}).with_row_index(_TAKEN), []
    for place, entry in enumerate(reading.columns.wide):
        texts = {
            name: pl.lit(given[entry[column]]) if column in entry else pl.lit(entry.get(name))
            for name, column in (("value", "column"), ("lln", "lln_column"), ("uln", "uln_column"))
        }
        texts = {name: text.cast(pl.String) for name, text in texts.items()}
        same = {name: pl.lit(entry[name]) for name in _SAME if name in entry}
        part = common.with_columns(**same, **as_declared(texts, reading))
        filled = pl.col("value").str.strip_chars() != ""
        where = (pl.lit(place).alias(_PLACE), pl.lit(entry["column"]).alias(CELL))
        parts.append(part.filter(filled).with_columns(where))
    long = pl.concat(parts).sort(ROW, _PLACE)
    return long.drop(_TAKEN, _PLACE), long[_TAKEN]
