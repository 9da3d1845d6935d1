"""Interning: each text of a column gets a number, and is stored, trimmed or parsed only once."""

from collections.abc import Callable, Iterable

import polars as pl

_MAX_TEXTS = 100_000
"""Distinct texts up to which a column is encoded: in 10 million rows, patients and values have
fewer, comments and times of day more."""
_MIN_REPEATS = 4
"""How often a text must occur on average for encoding to be less work than texts."""
_SAMPLE_ROWS = 50_000  # The rows at the beginning by which that is decided.


class TextIndex:
    """Numbers for the texts of a column, from 0 in order of appearance.

    A String column takes one look-up in a hash table per row; a Categorical column keeps its own
    numbers, at no cost.
    """

    def __init__(self) -> None:
        self._empty: pl.Series | None = None  # It keeps the numbers alive in polars.

    def of(self, texts: pl.Series) -> pl.Series:
        """Return the number of each text (UInt32; null for null).

        ``texts`` is String, or Categorical if each of its categories is on a row of some piece.
        """
        if self._empty is None and not isinstance(texts.dtype, pl.Categorical):
            self._empty = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        categorical = texts if self._empty is None else texts.cast(self._empty.dtype)
        self._empty = categorical.head(0)
        return categorical.to_physical()

    def texts(self, first: int, end: int) -> pl.Series:
        """Return the texts with the numbers from ``first`` up to, not including, ``end``."""
        assert self._empty is not None, "none was met"
        numbers = pl.int_range(first, end, dtype=pl.UInt32, eager=True)
        return numbers.cat.to(self._empty.dtype).cast(pl.String)


class CachedParser:
    """A parser that parses each text of a column once.

    An export of millions of rows has some thousand days and some ten thousand patients.

    ``read`` returns a frame with one row for each text of a String column; ``known`` is what it
    returned so far, by number. After more than ``most`` texts numbering starts again; with None it
    never does, and no text ever changes its number.
    """

    def __init__(
        self, read: Callable[[pl.Series], pl.DataFrame], most: int | None = 500_000
    ) -> None:
        self._read, self._most = read, most
        self._restart()

    def _restart(self) -> None:
        self._numbers = TextIndex()
        self.known = self._read(pl.Series(dtype=pl.String))

    def numbers(self, texts: pl.Series) -> pl.Series:
        """Return the number of each text, as ``TextIndex.of``; it is valid until the next call."""
        if self._most is not None and len(self.known) > self._most:
            self._restart()
        numbers = self._numbers.of(texts)
        highest = numbers.max()
        if isinstance(highest, int) and highest >= len(self.known):
            new = self._read(self._numbers.texts(len(self.known), highest + 1))
            self.known = pl.concat([self.known, new], rechunk=True)
        return numbers


def text_index() -> CachedParser:
    """Return a parser that keeps each text as ``text`` under a number that never changes."""
    return CachedParser(lambda texts: pl.DataFrame({"text": texts}), most=None)


class DictionaryEncoding:
    """Encodes the columns of an export as Categorical where their texts repeat; others stay String.

    Encoding a text costs 12 ns per row, once; after that it is compared, spilled and written as a
    number (13 ns to write), where a String is read, hashed and written each time (27 ns to write).
    """

    def __init__(self, columns: Iterable[str]) -> None:
        # Series without rows keep the Categories alive: polars drops those that no series uses.
        self._empty = {
            name: pl.Series(dtype=pl.Categorical(pl.Categories.random())) for name in columns
        }
        self._strings: set[str] | None = None  # Decided by the first piece.

    def encode(self, piece: pl.DataFrame) -> pl.DataFrame:
        """Return ``piece`` (String) with Categorical columns, except those that were found not to
        repeat: once a column is String it stays so.
        """
        if self._strings is None:
            self._strings = _hardly_repeating(piece.head(_SAMPLE_ROWS))
        coded = piece.with_columns(
            pl.col(name).cast(empty.dtype)
            for name, empty in self._empty.items()
            if name not in self._strings
        )
        for column in coded.select(pl.col(pl.Categorical)):
            name, highest = column.name, column.to_physical().max()
            self._empty[name] = column.head(0)
            if isinstance(highest, int) and highest >= _MAX_TEXTS:
                self._strings.add(name)
        return coded.with_columns(piece.select(self._strings))

    def to_numbers(self, coded: pl.DataFrame) -> pl.DataFrame:
        """Return an encoded piece with its Categorical columns as their numbers (UInt32)."""
        return coded.with_columns(pl.col(pl.Categorical).to_physical())

    def decode(self, numbers: pl.DataFrame) -> pl.DataFrame:
        """Return ``numbers`` as texts: Categorical, or String in columns found not to repeat."""
        strings = self._strings or ()
        return numbers.with_columns(
            pl.col(name).cat.to(empty.dtype).cast(pl.String if name in strings else empty.dtype)
            for name, empty in self._empty.items()
            if numbers[name].dtype == pl.UInt32
        )


def _hardly_repeating(piece: pl.DataFrame) -> set[str]:
    """Return the columns whose texts repeat too rarely; none of a piece shorter than the sample."""
    if len(piece) < _SAMPLE_ROWS:
        return set()
    distinct = piece.select(pl.all().n_unique()).row(0, named=True)
    return {name for name, texts in distinct.items() if texts * _MIN_REPEATS > len(piece)}
