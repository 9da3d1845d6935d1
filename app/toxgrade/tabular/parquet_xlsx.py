"""Files whose cells have types: Parquet and XLSX. Every cell becomes the text that it stands for.

Numbers become the shortest decimal that is that number, whole ones without a point, as patients and
codes are written (a data frame holds them as 1001.0); dates and times ISO 8601, instants in the
declared zone; NaN is missing, as in pandas and SAS.
"""

import re
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.damage import as_damage
from toxgrade.tabular.file_format import check_names, refuse_spare, spare_columns
from toxgrade.tabular.instants import undeclared_instants
from toxgrade.tabular.parquet_footer import int96_columns
from toxgrade.tabular.read_options import ReadOptions

_MAX_UNPACKED_BYTES = 2**30
_MAX_CELLS = _MAX_UNPACKED_BYTES // 32  # A cell takes 32 bytes.
_PIECE = 1 << 20  # Bytes.
_PLACE = re.compile(rb"""\br=["']([A-Za-z]{0,3})([0-9]{1,7})["']""")
_LONGEST_PLACE = 14  # Bytes.
_WHOLE = ".0"  # How the print of a float ends that is a whole number.


def scan_parquet(
    path: Path, name: str, timezone: str | None
) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """Return a scan of a Parquet file, all columns String, and its ``undeclared_instants``.

    Raises:
        FileError: damaged, or a column is neither text, number, date, time nor truth value.
    """
    with as_damage(lambda: f"{name}: damaged or cut off"):
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
        if pl.Datetime("ns") in schema.values():
            former = int96_columns(path) & schema.keys()
            frame = frame.with_columns(pl.col(n).dt.replace_time_zone("UTC") for n in former)
            schema = frame.collect_schema()
        texts = [as_text(column, dtype, name, timezone) for column, dtype in schema.items()]
        return frame.select(texts), undeclared_instants(frame, timezone)


def as_text(name: str, dtype: pl.DataType, file: str, timezone: str | None) -> pl.Expr:
    """Return a column as texts; instants in ``timezone`` (None: in the zone of their own type).

    Raises:
        FileError: it is neither text, number, date, time nor truth value.
    """
    column = pl.col(name)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Duration):
        raise FileError(
            f"{file}: the column {name} is of a kind that cannot be a laboratory's text"
        )
    if dtype.is_float():
        column = column.fill_nan(None).cast(pl.String).str.strip_suffix(_WHOLE)
    if isinstance(dtype, pl.Datetime):
        offset = "%:z" if dtype.time_zone else ""
        if timezone and dtype.time_zone:
            column = column.dt.convert_time_zone(timezone)
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
    with (
        as_damage(lambda: f"{name}: damaged, protected, or not a workbook"),
        calamine.CalamineWorkbook.from_path(path) as book,
    ):
        sheet = _sheet(book, name, options.sheet)
        rows = [[cell_text(cell) for cell in row] for row in sheet.iter_rows()]
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
    """Refuse a workbook that would not fit into memory, before it is read.

    Its reader makes room for every cell up to the last one of a sheet, filled or not.

    Raises:
        FileError: too large once unpacked, or damaged.
    """
    with as_damage(lambda: f"{name}: damaged or cut off"), zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > max_bytes:
            text = f"more than {max_bytes:,} bytes once unpacked; save it as CSV"
            raise FileError(f"{name}: {text}")
        for entry in archive.infolist():
            with archive.open(entry) as part:
                column, row = _last_cell(part)
            if column * row > _MAX_CELLS:
                text = f"a sheet reaches to column {column:,} of row {row:,}, more than"
                raise FileError(
                    f"{name}: {text} {_MAX_CELLS:,} cells, filled or not; save it as CSV"
                )


def _last_cell(part: IO[bytes]) -> tuple[int, int]:
    """Return the highest column and row, from 1, that any place in a part of a workbook names."""
    columns, rows, rest = {b"A"}, {b"1"}, b""
    while piece := part.read(_PIECE):
        found = _PLACE.findall(rest + piece)
        columns.update(column for column, _ in found)
        rows.update(row for _, row in found)
        rest = piece[-_LONGEST_PLACE:]
    return max(map(_column_number, columns)), max(map(int, rows))


def _column_number(letters: bytes) -> int:
    """Return the number of a column: A is 1, AA 27; none counts as 1."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number or 1


def _sheet(book: Any, name: str, wanted: str | None) -> Any:
    """Return the wanted sheet; None: the only one that is not empty, or the first of empty ones."""
    if wanted is not None:
        if wanted not in book.sheet_names:
            raise FileError(f"{name}: there is no such sheet; it has {', '.join(book.sheet_names)}")
        return book.get_sheet_by_name(wanted)
    sheets = [book.get_sheet_by_name(sheet) for sheet in book.sheet_names]
    if not sheets:
        raise FileError(f"{name}: a workbook without sheets")
    filled = [sheet for sheet in sheets if sheet.height]
    if len(filled) > 1:
        several = ", ".join(sheet.name for sheet in filled)
        raise FileError(f"{name}: several sheets hold something ({several}); name one with --sheet")
    return filled[0] if filled else sheets[0]


def cell_text(cell: object) -> str | None:
    """Return the text that a cell stands for; None if it is empty, NaN or a duration."""
    match cell:
        case None | "":
            return None
        case bool():
            return "true" if cell else "false"
        case float():
            return None if cell != cell else repr(cell).removesuffix(_WHOLE)
        case datetime():
            midnight = cell.time() == time() and cell.tzinfo is None
            return cell.date().isoformat() if midnight else cell.isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return None
        case _:
            return str(cell)
