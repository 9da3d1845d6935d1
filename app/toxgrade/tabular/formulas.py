"""Frames for CSV and TSV: texts that a spreadsheet would run as formulas, and back.

polars finds the texts; ``spreadsheet`` says, one by one, what becomes of the few.
"""

from collections.abc import Callable

import polars as pl

from toxgrade.spreadsheet import CANDIDATE, NUMBER, from_cell, to_cell


def without_formulas(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the frame with its texts as cells may hold them, and how many changed, by column."""
    changed = _changed(frame, to_cell)
    count = {
        name: int((series.cast(pl.String) != frame[name].cast(pl.String)).sum())
        for name, series in changed.items()
    }
    return frame.with_columns(**changed), {name: n for name, n in count.items() if n}


def as_written(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Return a frame that was read from a file of this kind, such as ``csv``, with its texts as
    they were before they became cells.
    """
    return frame.with_columns(**_changed(frame, from_cell)) if kind in ("csv", "tsv") else frame


def _changed(frame: pl.DataFrame, change: Callable[[str], str]) -> dict[str, pl.Series]:
    """Return the columns with a text to look at, changed.

    Of a column of categories only the categories are searched.
    """
    found = {}
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            texts = frame[name]
        elif isinstance(dtype, pl.Categorical | pl.Enum):
            texts = frame[name].unique().cast(pl.String)
        else:
            continue
        texts = texts.filter(texts.str.contains(CANDIDATE))
        texts = texts.filter(~texts.str.contains(NUMBER)).unique()
        if len(texts):
            new = {text: change(text) for text in texts}
            found[name] = frame[name].cast(pl.String).replace(new)
    return found
