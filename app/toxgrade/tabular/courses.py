"""Courses of radiotherapy of each patient, from a patients file or from columns of the lab export.

Dates that cannot be read or contradict each other stop the run: a phase is never guessed.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import time
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.grading.columns.interning import TextIndex
from toxgrade.grading.columns.parse import read_dates
from toxgrade.grading.parse import WHITE_SPACE, YEARS
from toxgrade.grading.phase import MOST_COURSES
from toxgrade.tabular.date_forms import iso_date
from toxgrade.tabular.identifiers import trimmed
from toxgrade.tabular.instants import refuse_undeclared
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.persons import read_persons
from toxgrade.tabular.read_options import CONTAINERS, ReadOptions
from toxgrade.tabular.table import LINE, Table
from toxgrade.tabular.treatment_columns import TreatmentColumns, treatment_columns

_ACCEPTED = f"a date YYYY-MM-DD in the {YEARS}, or nothing"
_WITH_MINUTES = f"{_ACCEPTED}; a time of day has hours and minutes, as in 2011-01-24T09:00"

_DATE_LENGTH = len("2011-01-24")
_ROW = {"patient": pl.String, "start": pl.String, "end": pl.String, "line": pl.Int64}
NO_COURSES = pl.DataFrame(
    schema={
        "patient": pl.String, "rt_start": pl.Date, "rt_end": pl.Date, "rt_start_time": pl.Time,
        "ongoing": pl.Boolean, "died": pl.Date,
    }
)  # fmt: skip
_STATUSES = ("in-progress", "completed")
_OPTIONAL = ("died", "course", "status")


def read_patients(
    path: Path, options: ReadOptions, folder: Path, labs: Table, *, persons: bool = False
) -> tuple[Table, pl.DataFrame]:
    """Read a patients file of any format; return its table and the ``patient_courses`` in it.

    With ``persons`` these have ``sex`` and ``birth_year`` of their patients, too.

    A sheet that is declared is that of ``labs`` where they have sheets: then it may be the patients
    file's too, or this has one alone.

    Raises:
        FileError: as ``patient_courses``, or the file cannot be used.
    """
    options, table = options.of_patients(), None
    if options.sheet is not None and labs.kind in CONTAINERS:
        with suppress(FileError):
            table = open_table(path, replace(options, sheet=None), folder)
    table = table or open_table(path, options, folder)
    columns = treatment_columns(table.columns, table.name, options, persons=persons)
    dates, marks = columns.dates, columns.marks
    refuse_undeclared(table.undeclared, dates.values(), table.name)
    frame = pl.concat(table.chunks([columns.patient, *dates.values(), *marks.values()]))
    texts = frame.select(
        pl.col(columns.patient).alias("patient"),
        pl.col(LINE).alias("line"),
        *(_date_column(column, options).alias(name) for name, column in dates.items()),
        *(_without_nulls(column, options).alias(name) for name, column in marks.items()),
    )
    courses = patient_courses(texts, columns, table.name)
    if persons:
        told = read_persons(texts, columns, table.name)
        courses = courses.join(told, on="patient", how="left", maintain_order="left")
    return table, courses


def _without_nulls(name: str, options: ReadOptions) -> pl.Expr:
    """Return a column without declared null markers."""
    return pl.col(name).replace(list(options.nulls), None) if options.nulls else pl.col(name)


def _date_column(name: str, options: ReadOptions) -> pl.Expr:
    """Return a column without declared null markers, its dates as ISO 8601."""
    column = _without_nulls(name, options)
    return iso_date(column, options.dates, options.century) if options.dates else column


class Courses:
    """Collects the treatment dates in the rows of an export, piece by piece.

    ``names``: the export's start and end columns. All rows of a patient must have equal dates.
    """

    def __init__(self, names: tuple[str, str]) -> None:
        self._columns = TreatmentColumns("patient", *names)
        self._texts = {"start": TextIndex(), "end": TextIndex()}
        # Each patient's first row, by patient number, and the numbers of its two date texts.
        self._first_rows = pl.DataFrame(schema=_ROW)
        self._first_keys = pl.DataFrame(schema=dict.fromkeys(self._texts, pl.UInt32))

    def learn(self, rows: pl.DataFrame, who: pl.Series, file: str) -> pl.DataFrame:
        """Return the courses of patients who are new in this piece, as ``patient_courses`` does.

        ``rows``: a piece with ``patient``, ``rt_start``, ``rt_end`` and ``LINE``; ``who``: its
        patients' numbers, counted from 0 in order of first appearance (null: no patient).

        Raises:
            FileError: as ``patient_courses``.
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
            patient_courses(pl.concat([first, in_order]), self._columns, file)
        return patient_courses(new, self._columns, file) if len(unseen) else NO_COURSES


def patient_courses(frame: pl.DataFrame, columns: TreatmentColumns, file: str) -> pl.DataFrame:
    """Return the courses of each patient, with the columns of ``NO_COURSES``; null: not known.

    ``frame``: ``patient``, ``start``, ``end`` and, if ``columns`` has them, ``died``, ``course``,
    ``status`` (String), and ``line`` Int64 of each row (null: it has none). Of a start the time of
    day counts too, unless it is midnight, of an end the date as written, of a partial date of death
    the last day. Patients are trimmed; rows without one are ignored.

    Raises:
        FileError: names the first line of a text that is not a full date (of death: no date), of a
            patient with two different courses or deaths, unless the courses are numbered, or of an
            end before its start.
    """
    absent = (name for name in _OPTIONAL if name not in frame.columns)
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    texts = ["patient", "start", "end", *_OPTIONAL]
    named = frame.with_columns(trimmed(pl.col("patient")).alias("patient"))
    with_patient = named.filter(pl.col("patient").is_not_null()).unique(
        texts, keep="first", maintain_order=True
    )
    courses = _read(with_patient, columns, file).unique(
        [*NO_COURSES.columns, "course"], keep="first", maintain_order=True
    )
    if columns.course is None:
        again = courses.filter(~pl.col("patient").is_first_distinct())
        dates = ", ".join(columns.dates.values())
        _refuse(again, file, f"other {dates} than before for this patient")
    else:
        text = f"expected the courses of a patient as 1, 2, … in {columns.course} by their starts"
        text += f", at most {MOST_COURSES} and each with a start, and one day of death"
        _refuse(courses.filter(_misnumbered()), file, text)
    reversed_ = courses.filter(pl.col("rt_end") < pl.col("rt_start"))
    _refuse(reversed_, file, f"{columns.end} is before {columns.start}")
    return courses.select(NO_COURSES.columns)


def _misnumbered() -> pl.Expr:
    """Return which courses have a number that is not their place by starts; none is 1."""
    number = pl.col("course").fill_null("1").str.to_integer(strict=False)
    alone = pl.len().over("patient") == 1
    first, last = (pl.col("rt_start").rank(tie).over("patient") for tie in ("min", "max"))
    in_order = (number == first) & (number == last) & (number <= MOST_COURSES)
    is_right = pl.when(alone).then(number == 1).otherwise(in_order)
    return ~is_right.fill_null(False) | (pl.col("died").n_unique().over("patient") > 1)


def _refuse(wrong: pl.DataFrame, file: str, text: str) -> None:
    """Raise ``FileError`` at the first of the wrong rows, if there are any."""
    if len(wrong):
        raise FileError(f"{_place(file, wrong['line'][0])}: {text}")


def _read(texts: pl.DataFrame, columns: TreatmentColumns, file: str) -> pl.DataFrame:
    """Return rows with the columns of ``NO_COURSES``, ``course`` (String) and ``line``.

    Raises:
        FileError: names the first line of a text that cannot be read.
    """
    (first, no_start, at), (last, no_end, _) = (_days(texts[n]) for n in ("start", "end"))
    hour_alone = (
        first.is_not_null() & at.is_null() & (_length(texts["start"]) > _DATE_LENGTH)
    ).fill_null(False)
    deaths = read_dates(texts["died"])
    status = texts.select(trimmed(pl.col("status"))).to_series()
    no_status = ~status.is_in(_STATUSES).fill_null(True)
    ongoing = (status == "in-progress").fill_null(False)
    wrong = {
        columns.start: no_start | hour_alone, columns.end: no_end | (ongoing & last.is_not_null()),
        str(columns.died): deaths["unreadable_date"], str(columns.status): no_status,
    }  # fmt: skip
    faults = [(int(w.arg_max() or 0), column) for column, w in wrong.items() if w.any()]
    if faults:
        at_row, column = min(faults, key=lambda fault: fault[0])
        accepted = _ACCEPTED
        if column == columns.start and hour_alone[at_row]:
            accepted = _WITH_MINUTES
        elif column == columns.status:
            accepted = "in-progress, completed, or nothing"
        elif column == columns.end and not no_end[at_row]:
            accepted = f"nothing, as {columns.status} says in-progress"
        where = _place(f"column {column} of {file}", texts["line"][at_row])
        raise FileError(f"{where}: expected {accepted}")
    at = at.set((at == time()).fill_null(False), None)
    return texts.select(
        "patient", "line", trimmed(pl.col("course")).alias("course"),
        rt_start=first, rt_end=last, rt_start_time=at, ongoing=ongoing, died=deaths["last"],
    )  # fmt: skip


def _days(texts: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return texts as Date, which of them are no full date, and their times of day."""
    read = read_dates(texts)
    first, last, unreadable = read["first"], read["last"], read["unreadable_date"]
    return first, unreadable | (first != last).fill_null(False), read["time"]


def _length(texts: pl.Series) -> pl.Series:
    return texts.str.strip_chars(WHITE_SPACE).str.len_bytes()


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}, line {line}"
