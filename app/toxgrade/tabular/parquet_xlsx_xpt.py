"""Files whose cells have types: Parquet, XLSX, SAS XPT. Every cell becomes the text it stands for.

Numbers become the shortest decimal that is that number; dates and times ISO 8601, in the writer's
own offset; a number that is no number (NaN) is a missing one, as pandas and SAS mean it.
"""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from toxgrade.errors import FileError
from toxgrade.tabular.file_format import check_names, refuse_spare, spare_columns
from toxgrade.tabular.read_options import ReadOptions

_AT_ONCE = 50_000
_MOST_CELLS_BYTES = 2**30
_DIGITS = 15  # what survives SAS's own floating point and ours


def scan_parquet(path: Path, name: str) -> pl.LazyFrame:
    """A Parquet file as String columns.

    Raises:
        FileError: damaged, or a column is neither text, number, date nor truth value.
    """
    try:
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
    except pl.exceptions.PolarsError:
        raise FileError(f"{name}: damaged or cut off") from None
    return frame.select(_as_text(column, dtype, name) for column, dtype in schema.items())


def _as_text(name: str, dtype: pl.DataType, file: str) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration):
        raise FileError(
            f"{file}: the column {name} is of a kind that cannot be a laboratory's text"
        )
    if dtype.is_float():
        column = column.fill_nan(None)
    if isinstance(dtype, pl.Datetime):
        offset = "%:z" if dtype.time_zone else ""
        column = column.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.f{offset}")
    return column.cast(pl.String).replace("", None).alias(name)


def read_xlsx(path: Path, name: str, options: ReadOptions) -> tuple[pl.DataFrame, str]:
    """A sheet of an XLSX workbook as String columns, and the sheet's name.

    Formulas count by the value they last had.

    Raises:
        FileError: no workbook, larger than its archive may become, several sheets and none named.
    """
    try:
        import python_calamine as calamine  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading XLSX needs: pip install toxgrade[xlsx]") from None
    _check_archive(path, name, min(_MOST_CELLS_BYTES, options.max_bytes))
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            sheet = _sheet(book, name, options.sheet)
            rows = [[_text(cell) for cell in row] for row in sheet.iter_rows()]
    except (calamine.CalamineError, zipfile.BadZipFile):
        raise FileError(f"{name}: damaged, protected, or not a workbook") from None
    if not rows:
        raise FileError(f"{name}: empty; expected a header and rows")
    names = [text or "" for text in rows[0]]
    if spare := spare_columns(names):
        refuse_spare([at for at in spare if any(row[at] for row in rows[1:])], name)
        kept = [at for at in range(len(names)) if at not in spare]
        names, rows = [names[at] for at in kept], [[row[at] for at in kept] for row in rows]
    check_names(names, name)
    schema = dict.fromkeys(names, pl.String)
    return pl.DataFrame(rows[1:], schema=schema, orient="row"), sheet.name


def _check_archive(path: Path, name: str, most: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        raise FileError(f"{name}: damaged or cut off") from None
    if size > most:
        text = f"more than {most:,} bytes once unpacked; save it as CSV"
        raise FileError(f"{name}: {text}")


def _sheet(book: Any, name: str, wanted: str | None) -> Any:
    if wanted is not None:
        if wanted not in book.sheet_names:
            raise FileError(f"{name}: there is no such sheet; it has {', '.join(book.sheet_names)}")
        return book.get_sheet_by_name(wanted)
    sheets = [book.get_sheet_by_name(sheet) for sheet in book.sheet_names]
    filled = [sheet for sheet in sheets if sheet.height]
    if len(filled) > 1:
        several = ", ".join(sheet.name for sheet in filled)
        raise FileError(f"{name}: several sheets hold something ({several}); name one with --sheet")
    return filled[0] if filled else sheets[0]


def _text(cell: object) -> str | None:
    """What a cell stands for; null where it is empty."""
    match cell:
        case None | "":
            return None
        case bool():
            return "true" if cell else "false"
        case float():
            return None if cell != cell else f"{cell:.{_DIGITS}g}"
        case datetime():
            midnight = cell.time() == time() and cell.tzinfo is None
            return cell.date().isoformat() if midnight else cell.isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return None
        case _:
            return str(cell)


def scan_xpt(path: Path, name: str, options: ReadOptions) -> pl.LazyFrame:
    """A SAS transport file as String columns, read in pieces.

    Raises:
        FileError: damaged or not XPT.
    """
    try:
        import pyreadstat  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading SAS XPT needs: pip install toxgrade[xpt]") from None
    encoding = None if options.encoding is None else options.encoding.upper()

    def piece(offset: int, limit: int, **more: Any) -> Any:
        try:
            return pyreadstat.read_xport(
                path, row_offset=offset, row_limit=limit, output_format="dict", encoding=encoding,
                **more,
            )  # fmt: skip
        except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError, UnicodeDecodeError):
            raise FileError(f"{name}: damaged, cut off, or in another encoding") from None

    if path.stat().st_size % 80:  # it is made of records of 80 bytes
        raise FileError(f"{name}: damaged or cut off")
    _, meta = piece(0, 1, metadataonly=True)
    schema = pl.Schema(dict.fromkeys(meta.column_names, pl.String))

    def pieces(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        offset, wanted = 0, list(columns if columns is not None else schema)
        while True:
            found, _ = piece(offset, _AT_ONCE, usecols=wanted)
            texts = {column: list(map(_text, found[column])) for column in wanted}
            frame = pl.DataFrame(texts, schema=dict.fromkeys(wanted, pl.String))
            offset += len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if len(frame) < _AT_ONCE or (n_rows is not None and offset >= n_rows):
                return

    return register_io_source(pieces, schema=schema)
