"""Laboratory exports of any format as one sequence of rows: what grading and storing start from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from toxgrade.batches.aside import Aside, RepeatedTexts
from toxgrade.batches.kept import Kept
from toxgrade.batches.layouts import Layout, recognise
from toxgrade.batches.open import open_table
from toxgrade.batches.reading import AS_IT_COMES, Reading
from toxgrade.batches.tables import CHUNK, LINE, ROW, Table
from toxgrade.batches.wide import melt
from toxgrade.errors import FileError


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an export; both frames have the same rows.

    ``given``: the file's own columns. ``rows``: the columns of ``mapping.OURS`` (null where absent)
    as grading takes them, with ``ROW`` (the input's row, from 0 over all files) and ``LINE`` (in
    its file), both Int64; of a wide export also ``CELL``. Texts are String; of what ``Labs.kept``
    gives also Categorical. ``table`` is the file.
    """

    given: pl.DataFrame
    rows: pl.DataFrame
    table: Table


@dataclass(frozen=True, slots=True)
class Labs:
    """One or more files of the same columns, read as one."""

    tables: tuple[Table, ...]
    layout: Layout
    reading: Reading

    @property
    def columns(self) -> tuple[str, ...]:
        return self.tables[0].columns

    @property
    def treatment_columns(self) -> tuple[str, str] | None:
        """What the columns of the treatment dates are called; None: the rows do not give them."""
        if {"rt_start", "rt_end"}.isdisjoint(self.layout.ours):
            return None
        named = self.layout.named
        return named.get("rt_start", "rt_start"), named.get("rt_end", "rt_end")

    def kept(self, folder: Path) -> "Labs":
        """The same rows, to be gone through twice: what the files say the first time is put aside
        in ``folder``.
        """
        repeated = RepeatedTexts(self.columns)
        tables = (
            replace(
                table,
                pieces=Aside(table.pieces, table.columns, repeated, Kept(folder, f"rows-{number}")),
            )
            for number, table in enumerate(self.tables)
        )
        return replace(self, tables=tuple(tables))

    def chunks(self, *, whole: bool = True, size: int = CHUNK) -> Iterator[Chunk]:
        """The rows in order; ``whole`` False leaves out columns that grading does not read.

        Raises:
            FileError: naming file and line where reading fails.
        """
        before = 0
        for table in self.tables:
            rows_here = 0
            for piece in table.chunks(self.columns if whole else self.layout.reads, size):
                rows_here += len(piece)
                yield self._chunk(piece, before, table)
            before += rows_here

    def _chunk(self, piece: pl.DataFrame, before: int, table: Table) -> Chunk:
        places = piece.select(pl.col(ROW) + before, LINE)
        given = piece.drop(ROW, LINE)
        rows = pl.concat([self.layout.rows(given), places], how="horizontal")
        if self.reading.columns.wide:
            rows, taken = melt(given, rows, self.reading)
            given = given[taken]
        return Chunk(given, rows, table)


def open_labs(
    paths: Sequence[Path],
    folder: Path,
    reading: Reading = AS_IT_COMES,
    name: str | None = None,
) -> Labs:
    """Open lab exports of one layout; ``folder``: an empty place that outlives the ``Labs``.

    ``name``: what messages call a single file, and whose suffix counts.

    Raises:
        FileError: a file that cannot be used, or whose columns are not those of the first.
    """
    tables: list[Table] = []
    for path in paths:
        table = open_table(path, reading, folder, name)
        if tables and set(table.columns) != set(tables[0].columns):
            odd = sorted(set(table.columns) ^ set(tables[0].columns))
            first = tables[0].name
            raise FileError(f"{table.name}: other columns than {first}: {', '.join(odd)}")
        tables.append(table)
    if not tables:
        raise FileError("no file was given")
    layout = recognise(tables[0].columns, tables[0].name, reading)
    return Labs(tuple(tables), layout, reading)
