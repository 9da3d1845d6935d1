"""A study's own reference ranges in a file, as ``toxgrade ranges load`` takes it."""

from collections.abc import Callable, Mapping
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
            numbers.append(row[ROW] + 1)
            rows.append(_read({name: row[name] for name in table.columns}, numbers[-1], table.name))
            if len(rows) > MOST_ROWS:
                raise FileError(f"{table.name}: expected at most {MOST_ROWS:,} rows")
    try:
        return table, range_table(rows, grader)
    except RequestError as error:
        _, index, *column = error.faults[0].loc
        where = ", ".join([f"row {numbers[int(index)]}", *map(str, column)])
        raise FileError(f"{table.name}, {where}: {error.faults[0].message}") from None


def _read(row: Mapping[str, str | None], number: int, file: str) -> StudyRange:
    found = dict.fromkeys(_COLUMNS)
    for name, cell in row.items():
        if text := (cell or "").strip():
            try:
                found[name] = _COLUMNS[name](text)
            except ParseError as error:
                raise FileError(f"{file}, row {number}, {name}: {error.message}") from None
    if missing := [name for name in ("analyte", "unit") if found[name] is None]:
        raise FileError(f"{file}, row {number}: no {missing[0]}")
    return StudyRange(**found)  # type: ignore[arg-type]
