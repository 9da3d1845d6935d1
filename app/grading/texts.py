"""The texts of a column, each read once however often they repeat."""

from collections.abc import Callable

import polars as pl


class ReadOnce:
    """Numbers texts as they are met, from 0, and keeps what each was read as.

    An export of millions of rows has some thousand days and values and some ten thousand patients.
    To number a text costs a row one look at a hash table; joining each piece with its own distinct
    texts took twice that (0.19 s for three million dates, not 0.08).

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
        self._numbered = pl.Series(dtype=pl.Categorical(pl.Categories.random()))
        self.known = self._read(pl.Series(dtype=pl.String))

    def numbers(self, texts: pl.Series) -> pl.Series:
        """The number of each text (UInt32; null of null), until the next call."""
        if self._most is not None and len(self.known) > self._most:
            self._start_anew()
        found = texts.cast(self._numbered.dtype)
        self._numbered = found.head(0)  # polars forgets the numbers once no series has them
        numbers = found.to_physical()
        new = found.filter(numbers >= len(self.known)).unique()
        if len(new):
            in_order = new.gather(new.to_physical().arg_sort()).cast(pl.String)
            self.known = pl.concat([self.known, self._read(in_order)], rechunk=True)
        return numbers


def numbered() -> ReadOnce:
    """Texts of which nothing is read: ``text``, by number, for good."""
    return ReadOnce(lambda texts: pl.DataFrame({"text": texts}), most=None)
