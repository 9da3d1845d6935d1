"""Interning: each text of a column gets a number, and is stored, trimmed or parsed only once."""

from collections.abc import Callable, Iterable, Sequence

import polars as pl

_MAX_TEXTS = 100_000
"""Distinct texts up to which a column is encoded: in 10 million rows, patients and values have
fewer, comments and times of day more."""
_MIN_REPEATS = 4
"""How often a text must occur on average for encoding to be less work than texts."""
_SAMPLE_ROWS = 50_000  # The rows at the beginning by which that is decided.
_REPEATED = 0.05
"""The least share of a sample's rows that repeats others where looking rows up may be less work
than doing the work of each: of 200,000 different ones in any order, 0.12 do."""


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
        self._parse, self._most = read, most
        self._restart()

    def _restart(self) -> None:
        self._numbers = TextIndex()
        self.known = self._parse(pl.Series(dtype=pl.String))

    def read(self, texts: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Return parsed texts, and the place of each text among them; no text is looked up where
        they hardly repeat.
        """
        if hardly_repeat(texts.to_frame(), [texts.name]):
            return self._parse(texts.cast(pl.String)), pl.int_range(len(texts), eager=True)
        numbers = self.numbers(texts)
        return self.known, numbers

    def numbers(self, texts: pl.Series) -> pl.Series:
        """Return the number of each text, as ``TextIndex.of``; it is valid until the next call."""
        if self._most is not None and len(self.known) > self._most:
            self._restart()
        numbers = self._numbers.of(texts)
        highest = numbers.max()
        if isinstance(highest, int) and highest >= len(self.known):
            new = self._parse(self._numbers.texts(len(self.known), highest + 1))
            self.known = pl.concat([self.known, new], rechunk=True)
        return numbers


def hardly_repeat(rows: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Return whether rows have something else in ``columns`` each, but for few; not if they are
    fewer than the sample.
    """
    if len(rows) < _SAMPLE_ROWS:
        return False
    sample = rows.select(columns).gather_every(len(rows) // _SAMPLE_ROWS)
    return sample.unique().height > (1 - _REPEATED) * len(sample)


def look_up(keys: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Return what ``known`` has in its last column for each row of keys; null: it is not there.

    ``keys`` are columns of unsigned integers, null being one of them; the others of ``known`` are
    of the same names. Where all fit into 64 bits they are compared as one number.
    """
    number = known.columns[-1]
    both = [frame.select(pl.col(keys.columns).max()) for frame in (keys, known)]
    highest = pl.concat(both).max().row(0)
    widths = [0 if most is None else (most + 1).bit_length() for most in highest]
    names = keys.columns
    if sum(widths) <= 64:
        code = pl.lit(0, dtype=pl.UInt64)
        for name, width in zip(keys.columns, widths, strict=True):
            code = code * (1 << width) + (pl.col(name).cast(pl.UInt64) + 1).fill_null(0)
        names = ["code"]
        keys, known = keys.select(code=code), known.select(number, code=code)
    found = keys.join(known, on=names, how="left", nulls_equal=True, maintain_order="left")
    return found[number]


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
