"""Temporary files: the pieces of an export, spilled to disk between two passes over it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.grader import Read
from toxgrade.grading.columns.interning import DictionaryEncoding
from toxgrade.tabular.table import Pieces


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


class SpilledReads:
    """What ``ColumnGrader.read`` found out of each piece, written to a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self._rows, self._tests = SpillFile(folder, "read"), SpillFile(folder, "tests")

    def add(self, read: Read) -> None:
        self._rows.add(read.rows)
        self._tests.add(read.tests)

    def pieces(self, *, keep: bool = False) -> Iterator[Read]:
        """Yield what was added, in order; unless it is kept, it is deleted from disk."""
        return map(Read, self._rows.frames(keep=keep), self._tests.frames(keep=keep))


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
