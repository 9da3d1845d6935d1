"""Identifiers of patients: the blanks around them, by which fixed-width files pad, are no part."""

import polars as pl

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
        self._whole = True
        self._kind = pl.Categorical(pl.Categories.random())
        self._known = pl.Series(dtype=self._kind)  # By the number of the category.

    def of(self, column: pl.Series, *, whole: bool) -> pl.Series:
        """Return a Categorical column trimmed, as another one: its categories are on some row.

        ``whole``: each category of ``column`` is on a row of it or was on one of an earlier piece.
        Once that was not so, the column becomes String.
        """
        self._whole = self._whole and whole
        if not self._whole:
            return column.to_frame().select(trimmed(pl.col(column.name))).to_series()
        numbers, known = column.to_physical(), len(self._known)
        highest = numbers.max()
        if isinstance(highest, int) and highest >= known:
            new = pl.int_range(known, highest + 1, dtype=pl.UInt32, eager=True)
            texts = new.cat.to(column.dtype).to_frame("text").select(trimmed(pl.col("text")))
            self._known = pl.concat([self._known, texts["text"].cast(self._kind)], rechunk=True)
        return self._known.gather(numbers).alias(column.name)


def look_alikes(names: pl.Series) -> int:
    """Return how many of different names differ from another only by case, blanks or a final .0.

    Whole numbers get the last from software that had them as floats.
    """
    if not len(names):
        return 0
    folded = names.str.to_lowercase().str.replace_all(r"\s", "").str.strip_suffix(".0")
    return int(folded.is_duplicated().sum())
