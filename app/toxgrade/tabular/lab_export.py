"""Wide exports: one column per analyte becomes one row per value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.layouts import Layout, as_declared, recognise
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.spill import DictionaryEncoding, SpilledPieces, SpillFile
from toxgrade.tabular.table import CELL, CHUNK, LINE, ROW, Table

_PLACE, _TAKEN = "\x00place", "\x00taken"
_SAME = ("analyte", "unit", "limit_unit")


def melt(
    given: pl.DataFrame, rows: pl.DataFrame, options: ReadOptions
) -> tuple[pl.DataFrame, pl.Series]:
    """One row per filled cell of the mapped columns, in the order of rows, then of the mapping.

    Returns the long ``rows``, with ``CELL``, and for each its place in ``given``.
    """
    # As texts: numbers would tell of patients of whom no cell is filled.
    common, parts = rows.cast({pl.Categorical: pl.String}).with_row_index(_TAKEN), []
    for place, entry in enumerate(options.columns.wide):
        texts = {
            name: pl.lit(given[entry[column]]) if column in entry else pl.lit(entry.get(name))
            for name, column in (("value", "column"), ("lln", "lln_column"), ("uln", "uln_column"))
        }
        texts = {name: text.cast(pl.String) for name, text in texts.items()}
        same = {name: pl.lit(entry[name]) for name in _SAME if name in entry}
        part = common.with_columns(**same, **as_declared(texts, options))
        filled = pl.col("value").str.strip_chars() != ""
        where = (pl.lit(place).alias(_PLACE), pl.lit(entry["column"]).alias(CELL))
        parts.append(part.filter(filled).with_columns(where))
    long = pl.concat(parts).sort(ROW, _PLACE)
    return long.drop(_TAKEN, _PLACE), long[_TAKEN]


@dataclass(frozen=True, slots=True)
class ExportChunk:
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
    options: ReadOptions

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
        repeated = DictionaryEncoding(self.columns)
        tables = (
            replace(
                table,
                pieces=SpilledPieces(
                    table.pieces, table.columns, repeated, SpillFile(folder, f"rows-{number}")
                ),
            )
            for number, table in enumerate(self.tables)
        )
        return replace(self, tables=tuple(tables))

    def chunks(self, *, whole: bool = True, size: int = CHUNK) -> Iterator[ExportChunk]:
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

    def _chunk(self, piece: pl.DataFrame, before: int, table: Table) -> ExportChunk:
        places = piece.select(pl.col(ROW) + before, LINE)
        given = piece.drop(ROW, LINE)
        rows = pl.concat([self.layout.rows(given), places], how="horizontal")
        if self.options.columns.wide:
            rows, taken = melt(given, rows, self.options)
            given = given[taken]
        return ExportChunk(given, rows, table)


def open_labs(
    paths: Sequence[Path],
    folder: Path,
    options: ReadOptions = DEFAULT_OPTIONS,
    name: str | None = None,
) -> Labs:
    """Open lab exports of one layout; ``folder``: an empty place that outlives the ``Labs``.

    ``name``: what messages call a single file, and whose suffix counts.

    Raises:
        FileError: a file that cannot be used, or whose columns are not those of the first.
    """
    tables: list[Table] = []
    for path in paths:
        table = open_table(path, options, folder, name)
        if tables and set(table.columns) != set(tables[0].columns):
            odd = sorted(set(table.columns) ^ set(tables[0].columns))
            first = tables[0].name
            raise FileError(f"{table.name}: other columns than {first}: {', '.join(odd)}")
        tables.append(table)
    if not tables:
        raise FileError("no file was given")
    layout = recognise(tables[0].columns, tables[0].name, options)
    return Labs(tuple(tables), layout, options)
