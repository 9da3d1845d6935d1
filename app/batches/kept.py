"""Frames put aside on disk between the passes over an export."""

from pathlib import Path

import polars as pl


class Kept:
    """Frames of one schema kept in ``folder``, given back in order in pieces of any size."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        self._next = 0
        self._rest: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Keep a frame behind those before.

        Raises:
            OSError: the folder is full or cannot be written to.
        """
        path = self._folder / f"kept-{len(self._files)}.arrow"
        frame.write_ipc(path)
        self._files.append(path)

    def take(self, rows: int) -> pl.DataFrame:
        """The next rows, and no longer kept: so many, or as many as there are."""
        parts = [] if self._rest is None else [self._rest]
        while self._next < len(self._files) and (not parts or sum(map(len, parts)) < rows):
            path = self._files[self._next]
            parts.append(pl.read_ipc(path))
            path.unlink()
            self._next += 1
        together = pl.concat(parts)
        self._rest = together[rows:]
        return together[:rows].rechunk()
