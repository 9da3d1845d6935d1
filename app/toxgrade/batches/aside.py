"""Files read once and put aside: each text that repeats as a number, for as long as it does."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import polars as pl

from toxgrade.batches.kept import Kept
from toxgrade.batches.tables import Pieces

_MOST = 100_000
"""Texts of one column that are numbered; in 10 million rows of patients and values there are few,
of comments and times of day too many."""
_REPEATS = 4
"""How often a text must be met, on average, for numbers to be less work than texts."""
_LOOKED_AT = 50_000  # rows at the beginning, by which that is told


class RepeatedTexts:
    """The columns of an export as Categorical where their texts repeat, else as String.

    To number a text costs a row 12 ns once; after that it is compared, kept and written as a
    number, where a String is read, hashed and written as a text each time (27 ns to write, not 13).
    """

    def __init__(self, columns: Iterable[str]) -> None:
        # Without rows: polars forgets the numbers of a Categories that no series has.
        self._none = {
            name: pl.Series(dtype=pl.Categorical(pl.Categories.random())) for name in columns
        }
        self._plain: set[str] | None = None  # not known before the first piece

    def of(self, piece: pl.DataFrame) -> pl.DataFrame:
        """``piece`` (String), its columns Categorical but for those that turned out not to repeat:
        once a column is String it stays so.
        """
        if self._plain is None:
            self._plain = _hardly_repeating(piece.head(_LOOKED_AT))
        coded = piece.with_columns(
            pl.col(name).cast(none.dtype)
            for name, none in self._none.items()
            if name not in self._plain
        )
        for column in coded.select(pl.col(pl.Categorical)):
            name, highest = column.name, column.to_physical().max()
            self._none[name] = column.head(0)
            if isinstance(highest, int) and highest >= _MOST:
                self._plain.add(name)
        return coded.with_columns(piece.select(self._plain))

    def numbers(self, coded: pl.DataFrame) -> pl.DataFrame:
        """What ``of`` gave, its Categorical columns as their numbers (UInt32)."""
        return coded.with_columns(pl.col(pl.Categorical).to_physical())

    def texts(self, numbers: pl.DataFrame) -> pl.DataFrame:
        """``numbers`` as ``of`` gives the last piece: columns that did not repeat are String."""
        plain = self._plain or ()
        return numbers.with_columns(
            pl.col(name).cat.to(none.dtype).cast(pl.String if name in plain else none.dtype)
            for name, none in self._none.items()
            if numbers[name].dtype == pl.UInt32
        )


def _hardly_repeating(piece: pl.DataFrame) -> set[str]:
    if len(piece) < _LOOKED_AT:
        return set()
    met = piece.select(pl.all().n_unique()).row(0, named=True)
    return {name for name, texts in met.items() if texts * _REPEATS > len(piece)}


class Aside:
    """Pieces of a file that is read once, whatever is asked of it; the second time they come from
    where they were kept, and are gone then.
    """

    def __init__(
        self, pieces: Pieces, columns: Sequence[str], repeated: RepeatedTexts, kept: Kept
    ) -> None:
        self._pieces, self._columns, self._repeated, self._kept = pieces, columns, repeated, kept
        self._is_read = False

    def __call__(self, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        for piece in self._again() if self._is_read else self._first(size):
            yield piece.select(columns)

    def _first(self, size: int) -> Iterator[pl.DataFrame]:
        pieces = iter(self._pieces(self._columns, size))
        nothing = pl.DataFrame(schema=dict.fromkeys(self._columns, pl.String))
        for piece in chain([next(pieces, nothing)], pieces):
            coded = self._repeated.of(piece).rechunk()
            self._kept.add(self._repeated.numbers(coded))
            yield coded
        self._is_read = True

    def _again(self) -> Iterator[pl.DataFrame]:
        return map(self._repeated.texts, self._kept.frames())
