"""What is put aside on disk for as long as a file is worked on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError


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


class Kept:
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
