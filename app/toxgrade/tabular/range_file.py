"""A study's own reference ranges in a file, as ``toxgrade ranges load`` takes it."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from toxgrade.errors import FileError, ParseError, RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_limit
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.study_ranges import MOST_ROWS, RangeTable, range_table
from toxgrade.tabular.formulas import as_written
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import ROW, Table


def _limit(text: str) -> Decimal:
    return read_limit(text).number


def _sex(text: str) -> str:
    if text not in ("female", "male"):
        raise ParseError("sex", "expected female or male")
    return text


def _years(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= _OLDEST):
        raise ParseError("years", f"expected completed years, from 0 to {_OLDEST}")
    return int(text)


def _day(text: str) -> date:
    read = read_collected(text)
    if read.first != read.last:
        raise ParseError("partial-date", "expected a date YYYY-MM-DD")
    return read.first


_OLDEST = 150
_COLUMNS: dict[str, Callable[[str], Any]] = {
    "analyte": str, "lln": _limit, "uln": _limit, "unit": str, "lab": str, "sex": _sex,
    "age_from": _years, "age_to": _years, "valid_from": _day,
}  # fmt: skip


def read_ranges(path: Path, grader: TermGrader, folder: Path) -> tuple[Table, RangeTable]:
    """Return a file of ranges and what it holds; ``folder`` is an empty temporary one.

    Raises:
        FileError: names the first row and column that cannot be accepted, and what is.
    """
    table = open_table(path, DEFAULT_OPTIONS, folder)
    if unknown := [name for name in table.columns if name not in _COLUMNS]:
        accepted = ", ".join(_COLUMNS)
        raise FileError(f"{table.name}: the columns {', '.join(unknown)}; accepted are {accepted}")
    rows, numbers = list[StudyRange](), list[int]()
    for piece in table.chunks(table.columns):
        for row in as_written(piece, table.kind).iter_rows(named=True):
            rows.append(_read(row, table))
            numbers.append(row[ROW] + 1)
            if len(rows) > MOST_ROWS:
                raise FileError(f"{table.name}: expected at most {MOST_ROWS:,} rows")
    try:
        return table, range_table(rows, grader)
    except RequestError as error:
        _, index, *column = error.faults[0].loc
        where = ", ".join([f"row {numbers[int(index)]}", *map(str, column)])
        raise FileError(f"{table.name}, {where}: {error.faults[0].message}") from None


def _read(row: dict[str, Any], table: Table) -> StudyRange:
    found = dict.fromkeys(_COLUMNS)
    for name in table.columns:
        if text := (row[name] or "").strip():
            try:
                found[name] = _COLUMNS[name](text)
            except ParseError as error:
                text = f"row {row[ROW] + 1}, {name}: {error.message}"
                raise FileError(f"{table.name}, {text}") from None
    if missing := [name for name in ("analyte", "unit") if found[name] is None]:
        raise FileError(f"{table.name}, row {row[ROW] + 1}: no {missing[0]}")
    return StudyRange(**found)  # type: ignore[arg-type]
