"""Files whose cells have types: Parquet, XLSX, SAS XPT. Every cell becomes the text it stands for.

Numbers of Parquet become the shortest decimal that is that number, of XLSX and XPT at most 15
digits; dates and times ISO 8601 in the writer's offset; NaN is missing, as in pandas and SAS.
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

_ROWS_PER_PIECE = 50_000
_MAX_UNPACKED_BYTES = 2**30
_DIGITS = 15  # So many survive SAS's own floating point and IEEE 754's.


def scan_parquet(path: Path, name: str) -> pl.LazyFrame:
    """Return a scan of a Parquet file, all columns String.

    Raises:
        FileError: damaged, or a column is neither text, number, date, time nor truth value.
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
    """Return a sheet of an XLSX workbook as String columns, and the sheet's name.

    A formula counts by the value that it last had.

    Raises:
        FileError: no workbook, too large once unpacked, or several filled sheets and none named.
    """
    try:
        import python_calamine as calamine  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading XLSX needs: pip install toxgrade[xlsx]") from None
    _check_archive(path, name, min(_MAX_UNPACKED_BYTES, options.max_bytes))
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
        used = [at for at in range(len(names)) if at not in spare]
        names, rows = [names[at] for at in used], [[row[at] for at in used] for row in rows]
    check_names(names, name)
    schema = dict.fromkeys(names, pl.String)
    return pl.DataFrame(rows[1:], schema=schema, orient="row"), sheet.name


def _check_archive(path: Path, name: str, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        raise FileError(f"{name}: damaged or cut off") from None
    if size > max_bytes:
        text = f"more than {max_bytes:,} bytes once unpacked; save it as CSV"
        raise FileError(f"{name}: {text}")


def _sheet(book: Any, name: str, wanted: str | None) -> Any:
    """Return the wanted sheet; None: the only one that is not empty, or the first of empty ones."""
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
    """Return the text that a cell stands for; None if it is empty, NaN or a duration."""
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
    """Return a scan of a SAS transport file, all columns String, read in pieces.

    Raises:
        FileError: damaged or not XPT.
    """
    try:
        import pyreadstat  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading SAS XPT needs: pip install toxgrade[xpt]") from None
    encoding = None if options.encoding is None else options.encoding.upper()

    def read_piece(offset: int, limit: int, **more: Any) -> Any:
        try:
            return pyreadstat.read_xport(
                path, row_offset=offset, row_limit=limit, output_format="dict", encoding=encoding,
                **more,
            )  # fmt: skip
        except (pyreadstat.PyreadstatError, pyreadstat.ReadstatError, UnicodeDecodeError):
            raise FileError(f"{name}: damaged, cut off, or in another encoding") from None

    if path.stat().st_size % 80:  # The format has records of 80 bytes.
        raise FileError(f"{name}: damaged or cut off")
    _, meta = read_piece(0, 1, metadataonly=True)
    schema = pl.Schema(dict.fromkeys(meta.column_names, pl.String))

    def pieces(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        offset, wanted = 0, list(columns if columns is not None else schema)
        while True:
            found, _ = read_piece(offset, _ROWS_PER_PIECE, usecols=wanted)
            texts = {column: list(map(_text, found[column])) for column in wanted}
            frame = pl.DataFrame(texts, schema=dict.fromkeys(wanted, pl.String))
            offset += len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if len(frame) < _ROWS_PER_PIECE or (n_rows is not None and offset >= n_rows):
                return

    return register_io_source(pieces, schema=schema)
