"""Treatment dates of each patient, from a patients file or from columns of the lab export.

Dates that cannot be read or contradict each other stop the run: a phase is never guessed.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import time
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.columns.spellings import TextIndex
from toxgrade.grading.parse import WHITE_SPACE, YEARS
from toxgrade.tabular.declared_cells import iso_date
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.instants import refuse_undeclared
from toxgrade.tabular.layouts import death_column, treatment_columns
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import CONTAINERS, ReadOptions
from toxgrade.tabular.table import LINE, Table

_ACCEPTED = f"a date YYYY-MM-DD in the {YEARS}, or nothing"
_WITH_MINUTES = f"{_ACCEPTED}; a time of day has hours and minutes, as in 2011-01-24T09:00"

_DATE_LENGTH = len("2011-01-24")
_ROW = {"patient": pl.String, "start": pl.String, "end": pl.String, "line": pl.Int64}
NO_COURSES = pl.DataFrame(
    schema={
        "patient": pl.String, "rt_start": pl.Date, "rt_end": pl.Date, "rt_start_time": pl.Time,
        "died": pl.Date,
    }
)  # fmt: skip


def read_patients(
    path: Path, options: ReadOptions, folder: Path, labs: Table
) -> tuple[Table, pl.DataFrame]:
    """Read a patients file of any format; return its table and the ``treatment_dates`` in it.

    A sheet that is declared is that of ``labs`` where they have sheets: then it may be the patients
    file's too, or this has one alone.

    Raises:
        FileError: as ``treatment_dates``, or the file cannot be used.
    """
    table = None
    if options.sheet is not None and labs.kind in CONTAINERS:
        with suppress(FileError):
            table = open_table(path, replace(options, sheet=None), folder)
    table = table or open_table(path, options, folder)
    patient, start, end = treatment_columns(table.columns, table.name, options)
    dates = {"start": start, "end": end}
    if death := death_column(table.columns):
        dates["died"] = death
    refuse_undeclared(table.undeclared, dates.values(), table.name)
    frame = pl.concat(table.chunks([patient, *dates.values()]))
    texts = frame.select(
        _date_column(column, options).alias(name) for name, column in dates.items()
    ).hstack(frame.select(patient=patient, line=LINE))
    return table, treatment_dates(texts, (start, end), table.name, death)


def _date_column(name: str, options: ReadOptions) -> pl.Expr:
    """Return a column without declared null markers, its dates as ISO 8601."""
    column = pl.col(name).replace(list(options.nulls), None) if options.nulls else pl.col(name)
    return iso_date(column, options.dates) if options.dates else column


class Courses:
    """Collects the treatment dates in the rows of an export, piece by piece.

    ``names``: the export's start and end columns. All rows of a patient must have equal dates.
    """

    def __init__(self, names: tuple[str, str]) -> None:
        self._names = names
        self._texts = {"start": TextIndex(), "end": TextIndex()}
        # Each patient's first row, by patient number, and the numbers of its two date texts.
        self._first_rows = pl.DataFrame(schema=_ROW)
        self._first_keys = pl.DataFrame(schema=dict.fromkeys(self._texts, pl.UInt32))

    def learn(self, rows: pl.DataFrame, who: pl.Series, file: str) -> pl.DataFrame:
        """Return the courses of patients who are new in this piece, as ``treatment_dates`` does.

        ``rows``: a piece with ``patient``, ``rt_start``, ``rt_end`` and ``LINE``; ``who``: its
        patients' numbers, counted from 0 in order of first appearance (null: no patient).

        Raises:
            FileError: as ``treatment_dates``.
        """
        given = rows.select("patient", start="rt_start", end="rt_end", line=LINE)
        keys = pl.DataFrame({side: each.of(given[side]) for side, each in self._texts.items()})
        earlier, new = self._first_rows, given.head(0).cast({pl.Categorical: pl.String})
        unseen = (who >= len(self._first_rows)).arg_true()
        if len(unseen):
            found = pl.DataFrame({"who": who[unseen], "at": unseen})
            first_places = found.unique("who", keep="first").sort("who")["at"]
            new = given[first_places].cast({pl.Categorical: pl.String})
            self._first_rows = pl.concat([self._first_rows, new], rechunk=True)
            self._first_keys = pl.concat([self._first_keys, keys[first_places]], rechunk=True)
        first_keys = self._first_keys[who]
        differs = [keys[side].ne_missing(first_keys[side]) for side in self._texts]
        conflicting = ((differs[0] | differs[1]) & who.is_not_null()).arg_true()
        if len(conflicting):
            others = given[conflicting].cast({pl.Categorical: pl.String})
            first = earlier.filter(pl.col("patient").is_in(others["patient"].implode()))
            in_order = pl.concat([new, others]).sort("line", maintain_order=True)
            treatment_dates(pl.concat([first, in_order]), self._names, file)
        return treatment_dates(new, self._names, file) if len(unseen) else NO_COURSES


def treatment_dates(
    frame: pl.DataFrame, names: tuple[str, str], file: str, death: str | None = None
) -> pl.DataFrame:
    """Return one course per patient, with the columns of ``NO_COURSES``; null: not known.

    ``frame``: ``patient``, ``start``, ``end``, with ``death`` also ``died`` (String), and ``line``
    Int64 of each row (null: it has none). ``names``: the file's start and end columns; ``death``:
    that of the day of death. Of a start the time of day counts too, unless it is midnight, of an
    end the date as written, of a partial date of death the last day. Patients are trimmed; rows
    without one are ignored.

    Raises:
        FileError: names the first line of a text that is not a full date (of death: no date), of a
            patient with two different courses or deaths, or of an end before its start.
    """
    start, end = names
    if death is None:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias("died"))
    texts = ["patient", "start", "end", "died"]
    named = frame.with_columns(trimmed(pl.col("patient")).alias("patient"))
    with_patient = named.filter(pl.col("patient").is_not_null()).unique(
        texts, keep="first", maintain_order=True
    )
    (first, no_start, at), (last, no_end, _) = (_days(with_patient[n]) for n in ("start", "end"))
    hour_alone = (
        first.is_not_null() & at.is_null() & (_length(with_patient["start"]) > _DATE_LENGTH)
    ).fill_null(False)
    deaths = read_dates(with_patient["died"])
    wrong = {start: no_start | hour_alone, end: no_end, str(death): deaths["unreadable_date"]}
    faults = [(int(w.arg_max() or 0), column) for column, w in wrong.items() if w.any()]
    if faults:
        place, column = min(faults, key=lambda fault: fault[0])
        where = _place(f"column {column} of {file}", with_patient["line"][place])
        accepted = _WITH_MINUTES if column == start and hour_alone[place] else _ACCEPTED
        raise FileError(f"{where}: expected {accepted}")
    at = at.set((at == time()).fill_null(False), None)
    courses = with_patient.select(
        "patient", "line", rt_start=first, rt_end=last, rt_start_time=at, died=deaths["last"]
    ).unique(NO_COURSES.columns, keep="first", maintain_order=True)
    conflicting = courses.filter(~pl.col("patient").is_first_distinct())
    if len(conflicting):
        where = _place(file, conflicting["line"][0])
        other = ", ".join(filter(None, (start, end, death)))
        raise FileError(f"{where}: other {other} than before for this patient")
    reversed_ = courses.filter(pl.col("rt_end") < pl.col("rt_start"))
    if len(reversed_):
        raise FileError(f"{_place(file, reversed_['line'][0])}: {end} is before {start}")
    return courses.drop("line")


def _days(texts: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return texts as Date, which of them are no full date, and their times of day."""
    read = read_dates(texts)
    first, last, unreadable = read["first"], read["last"], read["unreadable_date"]
    return first, unreadable | (first != last).fill_null(False), read["time"]


def _length(texts: pl.Series) -> pl.Series:
    return texts.str.strip_chars(WHITE_SPACE).str.len_bytes()


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}, line {line}"
