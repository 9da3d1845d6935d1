"""Laboratory exports: files of one layout, read as one; of wide ones, a row for each value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.interning import DictionaryEncoding
from toxgrade.tabular.declared_cells import as_declared
from toxgrade.tabular.fill_down import FillDown
from toxgrade.tabular.identifiers import TrimmedCategories, trimmed
from toxgrade.tabular.instants import refuse_undeclared
from toxgrade.tabular.layout import Layout
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.mapping import OF_RESULT
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.spill import SpilledPieces, SpillFile
from toxgrade.tabular.table import CELL, CHUNK, FILLED, LINE, ROW, Table

_NO_LIMITS = dict.fromkeys(("lln", "uln"), pl.lit(None, dtype=pl.String))
"""What a cell of a wide export never has from its row."""
_PLACE, _SOURCE = "\x00place", "\x00taken"
_USUAL_COLUMNS = 20


def melt(
    given: pl.DataFrame, rows: pl.DataFrame, options: ReadOptions
) -> tuple[pl.DataFrame, pl.Series]:
    """Return one row per filled cell of the mapped columns, and the place of each in ``given``.

    The long ``rows`` also have ``CELL``; their order is that of the rows, then of the mapping.
    """
    # Categorical columns become String: they would bring in patients who have no filled cell.
    common, parts = rows.cast({pl.Categorical: pl.String}).with_row_index(_SOURCE), []
    for place, entry in enumerate(options.columns.wide):
        texts: dict[str, pl.Series | str] = {
            "value": given[entry["column"]], "analyte": entry["analyte"],
        }  # fmt: skip
        for name in OF_RESULT:
            if (column := entry.get(f"{name}_column")) is not None:
                texts[name] = given[column]
            elif name in entry:
                texts[name] = entry[name]
        cell = {name: pl.lit(text).cast(pl.String) for name, text in texts.items()}
        cells = common.with_columns(**(_NO_LIMITS | as_declared(cell, options)))
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
    its file), both Int64; in a wide export also ``CELL``, with fill-down ``FILLED``. Texts are
    String; after ``Labs.spilled`` some are Categorical. ``table`` is the file, ``file_rows`` counts
    its rows here (a wide one gives several results), ``headers`` the header rows that stood among
    them, as where files were joined, and are left out.
    """

    given: pl.DataFrame
    rows: pl.DataFrame
    table: Table
    file_rows: int
    headers: int


@dataclass(frozen=True, slots=True)
class Labs:
    """One or more files with the same columns, read as one export."""

    tables: tuple[Table, ...]
    layout: Layout
    options: ReadOptions
    _trim: TrimmedCategories = field(default_factory=TrimmedCategories)

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

    def chunks_once_more(self, size: int) -> Iterator[ExportChunk]:
        """Yield the rows of a spilled export between its two passes, for yet another one."""
        spilled = [one.pieces for one in self.tables if isinstance(one.pieces, SpilledPieces)]
        for pieces in spilled:
            pieces.keep = True
        yield from self.chunks(size=size)
        for pieces in spilled:
            pieces.keep = False

    def chunks(self, *, whole: bool = True, size: int = CHUNK) -> Iterator[ExportChunk]:
        """Yield the rows in order; ``whole`` False leaves out columns that grading does not read.

        Raises:
            FileError: names the file and the line where reading fails.
        """
        first_row, fill = 0, self.options.fill_down
        for table in self.tables:
            rows_here = 0
            filler = FillDown(fill, self.layout.named, self.columns, table.name) if fill else None
            columns = self.columns if whole or fill else self.layout.reads
            for piece in table.chunks(columns, self._file_rows(size)):
                if len(piece):
                    rows_here = int(piece[ROW][-1]) + 1
                yield self._chunk(piece, first_row, table, filler)
            first_row += rows_here

    def _file_rows(self, size: int) -> int:
        """Return how many rows of a file to read for a piece as large as ``size`` usual rows.

        Fewer where they have many columns; and of a wide export, each of whose rows gives several
        results that have all of its cells.
        """
        results = len(self.options.columns.wide) or 1
        return max(size // results // max(len(self.columns) // _USUAL_COLUMNS, 1), 1)

    def _chunk(
        self, piece: pl.DataFrame, first_row: int, table: Table, filler: FillDown | None
    ) -> ExportChunk:
        is_header = self._headers(piece)
        if filler is not None:
            piece = filler.fill(piece, is_header | _blank(piece.drop(ROW, LINE)))
        headers = int(is_header.sum())
        if headers:
            piece = piece.filter(~is_header)
        places = piece.select(pl.col(ROW) + first_row, LINE, *([FILLED] if filler else ()))
        given = piece.drop(places.columns)
        rows = pl.concat([self.layout.rows(given), places], how="horizontal")
        if isinstance(rows.schema["patient"], pl.Categorical):
            patients = self._trim.of(rows["patient"], whole=not headers)
            rows = rows.with_columns(patients)
        if self.options.columns.wide:
            rows, sources = melt(given, rows, self.options)
            given = given[sources]
        return ExportChunk(given, rows, table, len(piece), headers)

    def _headers(self, piece: pl.DataFrame) -> pl.Series:
        """Return which rows repeat the header, as where files were joined one after the other."""
        first, *others = (pl.col(name) == name for name in self.layout.reads)
        found = piece.select(first.fill_null(False)).to_series()
        if others and found.any():
            found = piece.select(pl.all_horizontal(first, *others).fill_null(False)).to_series()
        return found


def _blank(given: pl.DataFrame) -> pl.Series:
    """Return which rows have nothing in any column."""
    blank = (trimmed(pl.col(name)).is_null() for name in given.columns)
    return given.select(pl.all_horizontal(*blank)).to_series()


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
    for table in tables:
        refuse_undeclared(table.undeclared, layout.dates, table.name)
    return Labs(tuple(tables), layout, options)
