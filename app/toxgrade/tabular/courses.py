"""When each patient was irradiated: from a file of patients, or from columns of the lab export.

Dates that cannot be read or contradict each other stop the work: a phase is never guessed.
"""

from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.spellings import TextIndex
from toxgrade.grading.parse import FIRST_YEAR, LAST_YEAR
from toxgrade.tabular.layouts import iso_date, treatment_columns
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import LINE, Table

_ACCEPTED = f"a date YYYY-MM-DD in the years {FIRST_YEAR} to {LAST_YEAR}, or nothing"

_GIVEN = {"patient": pl.String, "start": pl.String, "end": pl.String, "line": pl.Int64}
NO_COURSES = pl.DataFrame(schema={"patient": pl.String, "rt_start": pl.Date, "rt_end": pl.Date})


def read_patients(path: Path, options: ReadOptions, folder: Path) -> tuple[Table, pl.DataFrame]:
    """A file of treatment dates (any format): the file, and ``treatment_dates`` of it.

    Raises:
        FileError: as ``treatment_dates``, or the file cannot be used.
    """
    table = open_table(path, options, folder)
    patient, start, end = treatment_columns(table.columns, table.name, options)
    frame = pl.concat(table.chunks([patient, start, end]))
    read = frame.select(
        patient=pl.col(patient), start=_declared(start, options), end=_declared(end, options),
        line=LINE,
    )  # fmt: skip
    return table, treatment_dates(read, (start, end), table.name)


def _declared(name: str, options: ReadOptions) -> pl.Expr:
    column = pl.col(name).replace(list(options.nulls), None) if options.nulls else pl.col(name)
    return iso_date(column, options.dates) if options.dates else column


class Courses:
    """The treatment dates that the rows of an export give, learned piece by piece.

    ``names``: what the export calls start and end. All rows of a patient must say the same.
    """

    def __init__(self, names: tuple[str, str]) -> None:
        self._names = names
        self._numbers = {"start": TextIndex(), "end": TextIndex()}
        # Each patient's first row, by number, and the numbers of its two texts.
        self._first = pl.DataFrame(schema=_GIVEN)
        self._said = pl.DataFrame(schema=dict.fromkeys(self._numbers, pl.UInt32))

    def learn(self, rows: pl.DataFrame, who: pl.Series, file: str) -> pl.DataFrame:
        """The courses, as ``treatment_dates`` gives them, of the patients who are new.

        ``rows``: a piece, with ``patient``, ``rt_start``, ``rt_end`` and ``LINE``;
        ``who``: the patients' numbers, from 0 as they are met (null: none).

        Raises:
            FileError: as ``treatment_dates``.
        """
        given = rows.select("patient", start="rt_start", end="rt_end", line=LINE)
        said = pl.DataFrame({side: each.of(given[side]) for side, each in self._numbers.items()})
        met = (who >= len(self._first)).arg_true()
        if len(met):
            here = pl.DataFrame({"who": who[met], "at": met})
            at = here.unique("who", keep="first").sort("who")["at"]
            new = given[at].cast({pl.Categorical: pl.String})
            self._first = pl.concat([self._first, new], rechunk=True)
            self._said = pl.concat([self._said, said[at]], rechunk=True)
        before = self._said[who]
        differs = [said[side].ne_missing(before[side]) for side in self._numbers]
        others = ((differs[0] | differs[1]) & who.is_not_null()).arg_true()
        if len(others):
            other = given[others].cast({pl.Categorical: pl.String})
            mine = self._first.filter(pl.col("patient").is_in(other["patient"].implode()))
            treatment_dates(pl.concat([mine, other]), self._names, file)
        return treatment_dates(new, self._names, file) if len(met) else NO_COURSES


def treatment_dates(frame: pl.DataFrame, names: tuple[str, str], file: str) -> pl.DataFrame:
    """Each patient's course: ``patient`` String, ``rt_start`` and ``rt_end`` Date, null if unknown.

    ``frame``: ``patient``, ``start``, ``end`` (String) and ``line`` Int64 of each row; ``names``:
    what the file calls start and end. A date-time counts by its date as written. Rows without a
    patient are passed over.

    Raises:
        FileError: naming the line of a date that is not one, of a patient with two different
            courses, or of an end before its start.
    """
    start, end = names
    known = frame.filter(pl.col("patient").is_not_null()).unique(
        ["patient", "start", "end"], keep="first", maintain_order=True
    )
    read = known.select(
        "patient",
        "line",
        rt_start=_days(known["start"], known["line"], f"{start} of {file}"),
        rt_end=_days(known["end"], known["line"], f"{end} of {file}"),
    ).unique(["patient", "rt_start", "rt_end"], keep="first", maintain_order=True)
    twice = read.filter(~pl.col("patient").is_first_distinct())
    if len(twice):
        line = twice["line"][0]
        raise FileError(f"{file}, line {line}: other {start}, {end} than before for this patient")
    reversed_ = read.filter(pl.col("rt_end") < pl.col("rt_start"))
    if len(reversed_):
        raise FileError(f"{file}, line {reversed_['line'][0]}: {end} is before {start}")
    return read.drop("line")


def _days(texts: pl.Series, lines: pl.Series, place: str) -> pl.Series:
    read = read_dates(texts)
    first, last, unreadable = read["first"], read["last"], read["unreadable_date"]
    wrong = unreadable | (first != last).fill_null(False)
    if wrong.any():
        line = lines.filter(wrong)[0]
        raise FileError(f"column {place}, line {line}: expected {_ACCEPTED}")
    return first
