"""What is put aside on disk for as long as a file is worked on."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.table import Pieces


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for what lies in between, gone afterwards.

    Raises:
        FileError: the disk is full, or the folder cannot be written to.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="toxgrade-") as name:
            yield Path(name)
    except OSError as error:
        where = f"the temporary folder is {tempfile.gettempdir()}, TMPDIR names another"
        raise FileError(f"{error.strerror or error} ({where})") from None


class SpillFile:
    """Frames in a temporary folder, given back once, in order."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Keep a frame behind those before.

        Raises:
            OSError: the folder is full or cannot be written to.
        """
        path = self._folder / f"{self._name}-{len(self._files)}.arrow"
        # In one piece, as it is wanted back: the steps after that took 2 % longer with four.
        frame.write_ipc(path, record_batch_size=max(len(frame), 1))
        self._files.append(path)

    def frames(self) -> Iterator[pl.DataFrame]:
        """All that is kept, frame by frame."""
        for path in self._files:
            frame = pl.read_ipc(path)
            path.unlink()
            yield frame


_MOST = 100_000
"""Texts of one column that are numbered; in 10 million rows of patients and values there are few,
of comments and times of day too many."""
_REPEATS = 4
"""How often a text must be met, on average, for numbers to be less work than texts."""
_LOOKED_AT = 50_000  # rows at the beginning, by which that is told


class DictionaryEncoding:
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


class SpilledPieces:
    """Pieces of a file that is read once, whatever is asked of it; the second time they come from
    where they were kept, and are gone then.
    """

    def __init__(
        self, pieces: Pieces, columns: Sequence[str], repeated: DictionaryEncoding, kept: SpillFile
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
