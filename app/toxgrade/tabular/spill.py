"""Temporary files: the pieces of an export, spilled to disk between two passes over it."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.table import Pieces

_MAX_TEXTS = 100_000
"""Distinct texts up to which a column is encoded: in 10 million rows, patients and values have
fewer, comments and times of day more."""
_MIN_REPEATS = 4
"""How often a text must occur on average for encoding to be less work than texts."""
_SAMPLE_ROWS = 50_000  # The rows at the beginning by which that is decided.


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a temporary folder, which is deleted afterwards.

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
    """Frames written to a temporary folder and read back, in order."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Write a frame behind the earlier ones.

        Raises:
            OSError: the folder is full or cannot be written to.
        """
        path = self._folder / f"{self._name}-{len(self._files)}.arrow"
        # One record batch is read back as one chunk: with four, the next steps took 2 % longer.
        frame.write_ipc(path, record_batch_size=max(len(frame), 1))
        self._files.append(path)

    def frames(self, *, keep: bool = False) -> Iterator[pl.DataFrame]:
        """Yield all frames; unless they are kept, each is deleted from disk before that."""
        for path in self._files:
            frame = pl.read_ipc(path)
            if not keep:
                path.unlink()
            yield frame


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


class SpilledPieces:
    """Pieces of a file, for two passes: the first reads the file and spills all of its columns; the
    second reads the spilled pieces, which are deleted by that unless ``keep`` is set meanwhile.
    """

    keep = False

    def __init__(
        self, pieces: Pieces, columns: Sequence[str], encoding: DictionaryEncoding, spill: SpillFile
    ) -> None:
        self._pieces, self._columns, self._encoding, self._spill = pieces, columns, encoding, spill
        self._is_read = False

    def __call__(self, columns: Sequence[str], size: int) -> Iterator[pl.DataFrame]:
        for piece in self._second_pass() if self._is_read else self._first_pass(size):
            yield piece.select(columns)

    def _first_pass(self, size: int) -> Iterator[pl.DataFrame]:
        pieces = iter(self._pieces(self._columns, size))
        no_rows = pl.DataFrame(schema=dict.fromkeys(self._columns, pl.String))
        for piece in chain([next(pieces, no_rows)], pieces):
            coded = self._encoding.encode(piece).rechunk()
            self._spill.add(self._encoding.to_numbers(coded))
            yield coded
        self._is_read = True

    def _second_pass(self) -> Iterator[pl.DataFrame]:
        return map(self._encoding.decode, self._spill.frames(keep=self.keep))
