"""A study's own reference ranges in a file: the one reader for a run over files and for a study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from toxgrade.errors import FieldFault, FileError, ParseError, RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_limit
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.study_ranges import MOST_ROWS, RangeTable, range_table
from toxgrade.tabular.formulas import as_written
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import ROW, Table

T = TypeVar("T")

_MOST_FAULTS = 20  # That are told of one file.
_LONGEST = 200  # Characters of a name.
_OLDEST = 150


class FaultyRanges(FileError):
    """Rows that cannot be accepted; ``lines`` name file, row and column, and what is accepted."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(lines[0])
        self.lines = lines


@dataclass(frozen=True, slots=True)
class RangeRows:
    """The rows of a file, and the ``numbers`` that they have in it, from 1."""

    table: Table
    rows: Sequence[StudyRange]
    numbers: Sequence[int]

    def accepted(self, by: Callable[[Sequence[StudyRange]], T]) -> T:
        """Return what ``by`` returns of the rows.

        Raises:
            FaultyRanges: ``by`` refused rows.
        """
        try:
            return by(self.rows)
        except RequestError as error:
            if not error.faults:
                raise
            raise FaultyRanges([*map(self._line, error.faults[:_MOST_FAULTS])]) from None

    def _line(self, fault: FieldFault) -> str:
        _, index, *column = fault.loc
        return _line(self.table, self.numbers[int(index)], fault.message, *map(str, column))


def read_ranges(path: Path, grader: TermGrader, folder: Path) -> tuple[Table, RangeTable]:
    """Return a file of ranges and what it holds; ``folder`` is an empty temporary one.

    Raises:
        FileError: names the first row and column that cannot be accepted, and what is.
    """
    read = read_rows(path, folder)
    return read.table, read.accepted(lambda rows: range_table(rows, grader))


def read_rows(path: Path, folder: Path) -> RangeRows:
    """Return the rows of a file of ranges; ``folder`` is an empty temporary one.

    Raises:
        FileError: it has other columns, too many rows, or rows that cannot be read.
    """
    table = open_table(path, DEFAULT_OPTIONS, folder)
    if unknown := [name for name in table.columns if name not in _COLUMNS]:
        accepted = ", ".join(COLUMNS)
        raise FileError(f"{table.name}: the columns {', '.join(unknown)}; accepted are {accepted}")
    rows, numbers, faults = list[StudyRange](), list[int](), list[str]()
    for piece in table.chunks(table.columns):
        for row in as_written(piece, table.kind).iter_rows(named=True):
            number = row[ROW] + 1
            found, wrong = _read({name: row[name] for name in table.columns})
            faults += (_line(table, number, text, *column) for text, *column in wrong)
            if found:
                numbers.append(number)
                rows.append(found)
            if len(rows) > MOST_ROWS:
                raise FileError(f"{table.name}: expected at most {MOST_ROWS:,} rows")
            if len(faults) >= _MOST_FAULTS:
                raise FaultyRanges(faults[:_MOST_FAULTS])
    if faults:
        raise FaultyRanges(faults)
    return RangeRows(table, rows, numbers)


def _line(table: Table, number: int, message: str, *column: str) -> str:
    return f"{', '.join([table.name, f'row {number}', *column])}: {message}"


def _read(row: Mapping[str, str | None]) -> tuple[StudyRange | None, list[tuple[str, ...]]]:
    """Return a row, or what is wrong with it: each text, with its column where one is wrong."""
    found, faults = dict.fromkeys(COLUMNS), list[tuple[str, ...]]()
    for name, cell in row.items():
        if text := (cell or "").strip():
            try:
                found[name] = _COLUMNS[name](text)
            except ParseError as error:
                faults.append((error.message, name))
    faulty = {name for _, name in faults}
    faults += [
        (f"no {name}",)
        for name in ("analyte", "unit")
        if found[name] is None and name not in faulty
    ]
    return (None if faults else StudyRange(**found)), faults  # type: ignore[arg-type]


def _name(text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        accepted = f"expected at most {_LONGEST} characters, none of them a control character"
        raise ParseError("unprintable", accepted)
    return text


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


_COLUMNS: dict[str, Callable[[str], Any]] = {
    "analyte": _name, "lln": _limit, "uln": _limit, "unit": _name, "lab": _name, "sex": _sex,
    "age_from": _years, "age_to": _years, "valid_from": _day,
}  # fmt: skip
COLUMNS = tuple(_COLUMNS)
"""The columns that a file of ranges may have, in order."""
