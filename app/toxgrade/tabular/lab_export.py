"""Laboratory exports: files of one layout, read as one; of wide ones, a row for each value."""

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

_PLACE, _SOURCE = "\x00place", "\x00taken"
_PER_COLUMN = ("analyte", "unit", "limit_unit", "specimen")


def melt(
    given: pl.DataFrame, rows: pl.DataFrame, options: ReadOptions
) -> tuple[pl.DataFrame, pl.Series]:
    """Return one row per filled cell of the mapped columns, and the place of each in ``given``.

    The long ``rows`` also have ``CELL``; their order is that of the rows, then of the mapping.
    """
    # Categorical columns become String: they would bring in patients who have no filled cell.
    common, parts = rows.cast({pl.Categorical: pl.String}).with_row_index(_SOURCE), []
    for place, entry in enumerate(options.columns.wide):
        texts = {
            name: pl.lit(given[entry[column]]) if column in entry else pl.lit(entry.get(name))
            for name, column in (("value", "column"), ("lln", "lln_column"), ("uln", "uln_column"))
        }
        texts = {name: text.cast(pl.String) for name, text in texts.items()}
        constants = {name: pl.lit(entry[name]) for name in _PER_COLUMN if name in entry}
        cells = common.with_columns(**constants, **as_declared(texts, options))
        filled = pl.col("value").str.strip_chars() != ""
        places = (pl.lit(place).alias(_PLACE), pl.lit(entry["column"]).alias(CELL))
        parts.append(cells.filter(filled).with_columns(places))
    long = pl.concat(parts).sort(ROW, _PLACE)
    return long.drop(_SOURCE, _PLACE), long[_SOURCE]


@dataclass(frozen=True, slots=True)
class ExportChunk:
    """A piece of an export; both frames have the same rows.

    ``given``: the file's own columns. ``rows``: the columns of ``mapping.OURS`` (null where absent)
    as grading takes them, with ``ROW`` (the input's row, from 0 over all files) and ``LINE`` (in
    its file), both Int64; in a wide export also ``CELL``. Texts are String; after ``Labs.spilled``
    some are Categorical. ``table`` is the file.
    """

    given: pl.DataFrame
    rows: pl.DataFrame
    table: Table


@dataclass(frozen=True, slots=True)
class Labs:
    """One or more files with the same columns, read as one export."""

    tables: tuple[Table, ...]
    layout: Layout
    options: ReadOptions

    @property
    def columns(self) -> tuple[str, ...]:
        return self.tables[0].columns

    @property
    def treatment_columns(self) -> tuple[str, str] | None:
        """The start and end columns of the treatment dates; None: the export has neither."""
        if {"rt_start", "rt_end"}.isdisjoint(self.layout.ours):
            return None
        named = self.layout.named
        return named.get("rt_start", "rt_start"), named.get("rt_end", "rt_end")

    def spilled(self, folder: Path) -> "Labs":
        """Return the export for two passes, of which the first spills its rows to ``folder``."""
        encoding = DictionaryEncoding(self.columns)
        tables = (
            replace(
                table,
                pieces=SpilledPieces(
                    table.pieces, table.columns, encoding, SpillFile(folder, f"rows-{number}")
                ),
            )
            for number, table in enumerate(self.tables)
        )
        return replace(self, tables=tuple(tables))

    def chunks(self, *, whole: bool = True, size: int = CHUNK) -> Iterator[ExportChunk]:
        """Yield the rows in order; ``whole`` False leaves out columns that grading does not read.

        Raises:
            FileError: names the file and the line where reading fails.
        """
        first_row = 0
        for table in self.tables:
            rows_here = 0
            for piece in table.chunks(self.columns if whole else self.layout.reads, size):
                rows_here += len(piece)
                yield self._chunk(piece, first_row, table)
            first_row += rows_here

    def _chunk(self, piece: pl.DataFrame, first_row: int, table: Table) -> ExportChunk:
        places = piece.select(pl.col(ROW) + first_row, LINE)
        given = piece.drop(ROW, LINE)
        rows = pl.concat([self.layout.rows(given), places], how="horizontal")
        if self.options.columns.wide:
            rows, sources = melt(given, rows, self.options)
            given = given[sources]
        return ExportChunk(given, rows, table)


def open_labs(
    paths: Sequence[Path],
    folder: Path,
    options: ReadOptions = DEFAULT_OPTIONS,
    name: str | None = None,
) -> Labs:
    """Open lab exports of one layout; ``folder``: an empty folder that outlives the ``Labs``.

    ``name``: what messages call a single file; its suffix gives the format.

    Raises:
        FileError: a file cannot be used, or its columns are not those of the first.
    """
    tables: list[Table] = []
    for path in paths:
        table = open_table(path, options, folder, name)
        if tables and set(table.columns) != set(tables[0].columns):
            differing = sorted(set(table.columns) ^ set(tables[0].columns))
            first = tables[0].name
            raise FileError(f"{table.name}: other columns than {first}: {', '.join(differing)}")
        tables.append(table)
    if not tables:
        raise FileError("no file was given")
    layout = recognise(tables[0].columns, tables[0].name, options)
    return Labs(tuple(tables), layout, options)
