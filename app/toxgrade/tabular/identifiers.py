"""Identifiers of patients: the blanks around them, by which fixed-width files pad, are no part."""

import polars as pl

from toxgrade.grading.columns.interning import CachedParser
from toxgrade.grading.parse import WHITE_SPACE


def trimmed(column: pl.Expr) -> pl.Expr:
    """Return identifiers without the blanks around them; null for a blank one."""
    text = column.cast(pl.String).str.strip_chars(WHITE_SPACE)
    return pl.when(text != "").then(text)


class TrimmedCategories:
    """Trims the identifiers of an encoded export, each of them once.

    Casting a million of them to texts would cost 3 % of grading them, this look-up a tenth of that.
    """

    def __init__(self) -> None:
        self._whole, kind = True, pl.Categorical(pl.Categories.random())
        self._trimmed = CachedParser(
            lambda texts: texts.to_frame("text").select(trimmed(pl.col("text")).cast(kind)), None
        )

    def of(self, column: pl.Series, *, whole: bool) -> pl.Series:
        """Return a Categorical column trimmed, as another one: its categories are on some row.

        ``whole``: each category of ``column`` is on a row of it or was on one of an earlier piece.
        Once that was not so, the column becomes String.
        """
        self._whole = self._whole and whole
        if not self._whole:
            return column.to_frame().select(trimmed(pl.col(column.name))).to_series()
        numbers = self._trimmed.numbers(column)
        return self._trimmed.known["text"].gather(numbers).alias(column.name)


def look_alikes(names: pl.Series) -> int:
    """Return how many of different names differ from another only by case, blanks or a final .0.

    Whole numbers get the last from software that had them as floats.
    """
    if not len(names):
        return 0
    folded = names.str.to_lowercase().str.replace_all(r"\s", "").str.strip_suffix(".0")
    return int(folded.is_duplicated().sum())
