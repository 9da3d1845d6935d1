"""Files whose cells have types: Parquet and XLSX. Every cell becomes the text that it stands for.

Numbers become the shortest decimal that is that number, whole ones without a point, as patients and
codes are written (a data frame holds them as 1001.0); dates and times ISO 8601, instants in the
declared zone; NaN is missing, as in pandas and SAS.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.tabular.damage import as_damage
from toxgrade.tabular.file_format import check_names, refuse_spare, spare_columns
from toxgrade.tabular.header_rows import joined_names
from toxgrade.tabular.instants import undeclared_instants
from toxgrade.tabular.parquet_footer import int96_columns
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.workbook_size import MOST_BYTES, check_size

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_MOST_SHEETS = 255  # That are read to find the filled one; several may be the same part.
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


class Sheet(NamedTuple):
    """The rows of a sheet that hold something, as String columns; and their numbers.

    ``numbers`` Int64: 0 is the row below the header. ``blank`` rows among them are left out.
    """

    name: str
    rows: pl.DataFrame
    numbers: pl.Series
    blank: int


def read_xlsx(path: Path, name: str, options: ReadOptions) -> Sheet:
    """Return a sheet of an XLSX workbook. A formula counts by the value that it last had.

    Raises:
        FileError: no workbook, too large once unpacked, or several filled sheets and none named.
    """
    with _open_workbook(path, name, options) as book:
        sheet = _sheet(book, name, options.sheet)
        cells = sheet.iter_rows()
        for _ in range(options.header_row - 1):
            next(cells, ())
        header = [next(cells, ()) for _ in range(options.header_rows)]
        names = joined_names([[cell_text(cell) or "" for cell in row] for row in header])
        for _ in range(options.skip_rows):
            next(cells, ())
        rows, numbers, blank = _filled(cells)
    if not names:
        raise FileError(f"{name}: empty; expected a header and rows")
    if spare := spare_columns(names):
        refuse_spare([at for at in spare if any(row[at] for row in rows)], name)
        used = [at for at in range(len(names)) if at not in spare]
        names, rows = [names[at] for at in used], [[row[at] for at in used] for row in rows]
    check_names(names, name)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return Sheet(sheet.name, frame, pl.Series(numbers, dtype=pl.Int64), blank)


class FirstRows(NamedTuple):
    """The first rows of a sheet, as texts, and how many it has."""

    rows: list[list[str]]
    height: int


def first_rows(path: Path, name: str, options: ReadOptions, count: int) -> dict[str, FirstRows]:
    """Return the first rows of each sheet of a workbook.

    Raises:
        FileError: no workbook, too large once unpacked, or more sheets than are read.
    """
    with _open_workbook(path, name, options) as book:
        if len(book.sheet_names) > _MOST_SHEETS:
            raise FileError(f"{name}: more than {_MOST_SHEETS} sheets; name one with --sheet")
        found = {}
        for sheet_name in book.sheet_names:
            sheet = book.get_sheet_by_name(sheet_name)
            rows = islice(sheet.iter_rows(), count) if sheet.height else ()
            texts = [[cell_text(cell) or "" for cell in row] for row in rows]
            found[sheet_name] = FirstRows(texts, sheet.height)
        return found


@contextmanager
def _open_workbook(path: Path, name: str, options: ReadOptions) -> Iterator["CalamineWorkbook"]:
    try:
        import python_calamine as calamine  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading XLSX needs: pip install toxgrade[xlsx]") from None
    check_size(path, name, min(MOST_BYTES, options.max_bytes))
    with (
        as_damage(lambda: f"{name}: damaged, protected, or not a workbook"),
        calamine.CalamineWorkbook.from_path(path) as book,
    ):
        yield book


def _filled(rows: Iterable[Sequence[object]]) -> tuple[list[list[str | None]], list[int], int]:
    """Return the texts and the numbers of the rows that hold something, and how many do not."""
    texts, numbers, blank = [], [], 0
    for number, row in enumerate(rows):
        if all(isinstance(cell, str) and not cell.strip(WHITE_SPACE) for cell in row):
            blank += 1
        else:
            texts.append([cell_text(cell) for cell in row])
            numbers.append(number)
    return texts, numbers, blank


def _sheet(book: "CalamineWorkbook", name: str, wanted: str | None) -> "CalamineSheet":
    """Return the wanted sheet; None: the only one that is not empty, or the first of empty ones."""
    if wanted is not None:
        if wanted not in book.sheet_names:
            raise FileError(f"{name}: there is no such sheet; it has {', '.join(book.sheet_names)}")
        return book.get_sheet_by_name(wanted)
    if not book.sheet_names:
        raise FileError(f"{name}: a workbook without sheets")
    if len(book.sheet_names) > _MOST_SHEETS:
        raise FileError(f"{name}: more than {_MOST_SHEETS} sheets; name one with --sheet")
    found, filled = None, []
    for sheet_name in book.sheet_names:
        sheet = book.get_sheet_by_name(sheet_name)
        if sheet.height:
            filled.append(sheet_name)
        if sheet.height or found is None:
            found = sheet  # No more than two are in memory.
    assert found is not None
    if len(filled) > 1:
        several = ", ".join(filled)
        raise FileError(f"{name}: several sheets hold something ({several}); name one with --sheet")
    return found


def cell_text(cell: object) -> str | None:
    """Return the text that a cell stands for; None if it is empty, NaN or a duration."""
    if type(cell) is str:  # Most are.
        return cell or None
    match cell:
        case None:
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
