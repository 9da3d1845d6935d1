"""Frames put aside on disk until they are asked for again."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from app.errors import FileError


class Kept:
    """Frames of one schema in a temporary folder, given back once, in order."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: list[Path] = []
        self._next: Iterator[pl.DataFrame] | None = None
        self._rest: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Keep a frame behind those before.

        Raises:
            FileError: the folder is full or cannot be written to.
        """
        path = self._folder / f"{self._name}-{len(self._files)}.arrow"
        try:
            frame.write_ipc(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            where = f"the temporary folder {self._folder.parent}"
            raise FileError(f"{where}: {error}; TMPDIR names another one") from None
        self._files.append(path)

    def frames(self) -> Iterator[pl.DataFrame]:
        """All that is kept, frame by frame."""
        for path in self._files:
            frame = pl.read_ipc(path)
            path.unlink()
            yield frame

    def take(self, rows: int) -> pl.DataFrame:
        """The next rows: so many, or as many as there are."""
        if self._next is None:
            self._next = self.frames()
            self._rest = next(self._next)
        assert self._rest is not None
        parts = [self._rest]
        while sum(map(len, parts)) < rows and (more := next(self._next, None)) is not None:
            parts.append(more)
        together = pl.concat(parts)
        self._rest = together[rows:]
        return together[:rows].rechunk()
