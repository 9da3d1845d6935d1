"""The texts of a column, each read once however often they repeat."""

from collections.abc import Callable

import polars as pl


class Numbers:
    """Numbers the texts of a column as they are met, from 0.

    To number a text costs a row one look at a hash table; where the column is Categorical already,
    the numbers are those it has, and cost nothing.
    """

    def __init__(self) -> None:
        self._none: pl.Series | None = None  # polars forgets the numbers once no series has them

    def of(self, texts: pl.Series) -> pl.Series:
        """The number of each text (UInt32; null of null).

        ``texts``: String, or Categorical: each text that it knows must be on a row of some piece.
        """
        if self._none is None and not isinstance(texts.dtype, pl.Categorical):
            self._none = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        found = texts if self._none is None else texts.cast(self._none.dtype)
        self._none = found.head(0)
        return found.to_physical()

    def texts(self, first: int, end: int) -> pl.Series:
        """The texts of the numbers from ``first`` to before ``end``, of those that were met."""
        assert self._none is not None, "none was met"
        numbers = pl.int_range(first, end, dtype=pl.UInt32, eager=True)
        return numbers.cat.to(self._none.dtype).cast(pl.String)


class ReadOnce:
    """Reads each text of a column once.

    An export of millions of rows has some thousand days and some ten thousand patients.

    ``read`` gives a frame with one row for each text of a String column; ``known`` is what it gave
    so far, by number. ``most``: the texts that are kept, after which numbering starts anew; None:
    all, and no text ever changes its number.
    """

    def __init__(
        self, read: Callable[[pl.Series], pl.DataFrame], most: int | None = 500_000
    ) -> None:
        self._read, self._most = read, most
        self._start_anew()

    def _start_anew(self) -> None:
        self._numbers = Numbers()
        self.known = self._read(pl.Series(dtype=pl.String))

    def numbers(self, texts: pl.Series) -> pl.Series:
        """The number of each text, as ``Numbers.of``, until the next call."""
        if self._most is not None and len(self.known) > self._most:
            self._start_anew()
        numbers = self._numbers.of(texts)
        highest = numbers.max()
        if isinstance(highest, int) and highest >= len(self.known):
            new = self._read(self._numbers.texts(len(self.known), highest + 1))
            self.known = pl.concat([self.known, new], rechunk=True)
        return numbers


def numbered() -> ReadOnce:
    """Texts of which nothing is read: ``text``, by number, for good."""
    return ReadOnce(lambda texts: pl.DataFrame({"text": texts}), most=None)
