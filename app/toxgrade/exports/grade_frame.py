"""Grading of a frame of laboratory results in memory, for notebooks and pipelines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import polars as pl

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.grading.columns.grader import grade_rows
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.phase import Window, read_window
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.courses import NO_COURSES, treatment_dates
from toxgrade.tabular.layouts import Layout, recognise, treatment_columns
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import apart

GRADE_COLUMNS = (
    "term", "grade", "at_least", "at_most", "reason", "flags", "criterion", "phase",
    "on_treatment", "days_from_end", "baseline_grade", "worse_than_baseline", "edition",
)  # fmt: skip
"""The columns that grading adds to a frame, in order."""


class Table(Protocol):
    """A data frame of polars or Spark, of which only the columns' names are used here."""

    @property
    def columns(self) -> list[str]: ...


_Table = TypeVar("_Table", bound=Table)


def grade(
    labs: pl.DataFrame,
    patients: pl.DataFrame | None = None,
    *,
    edition: str = "4.03",
    window: str | Window = "paper",
    interpretations: Mapping[str, str] | None = None,
    implausible: Implausible = "refuse",
) -> pl.DataFrame:
    """Grade every row of a frame for every term of its analyte, exactly as ``toxgrade grade`` does.

    ``labs``: Toxgrade's own columns (patient, collected, analyte, value, unit, lln, uln) or SDTM
    LB, as texts, numbers or dates. ``patients``: patient, rt_start, rt_end, or SDTM DM; None:
    ``labs`` gives the dates, or there are none. ``window``: ``paper`` (3 months after the end of
    radiotherapy), ``rtog90``, ``end90``, a text such as ``start+90d``, or a ``Window``.
    ``interpretations``: by name, the choices that are not the default ones. ``implausible``: refuse
    to grade such values, or grade and ``flag`` them.

    Returns the columns of ``labs`` (a clashing one as ``in_NAME``), then ``GRADE_COLUMNS``: one row
    for each row and term, in input order. ``term``, ``reason``, ``criterion``, ``phase`` and
    ``flags`` are Enum or Categorical; grades are Int8. ``grade`` is null where it is undecided, and
    then ``reason`` says why; it lies between ``at_least`` and ``at_most``.

    Raises:
        FileError: columns are missing, or treatment dates cannot be read or contradict each other.
        CriteriaError: there is no such edition or interpretation.
        ParseError: ``window`` is no window.
    """
    layout = recognise(labs.columns, "labs", DEFAULT_OPTIONS)
    rules = Rules(edition, as_window(window), implausible, tuple((interpretations or {}).items()))
    grader = Graders(load(only=edition)).for_rules(rules)
    courses = read_courses(labs, patients, layout, _distinct)
    rows = layout.rows(labs.with_columns(pl.col(layout.reads).cast(pl.String)))
    dates = rows.select("patient").join(courses, on="patient", how="left", maintain_order="left")
    return grade_dated(labs, dates["rt_start"], dates["rt_end"], grader, rules.window)


def grade_dated(
    labs: pl.DataFrame, rt_start: pl.Series, rt_end: pl.Series, grader: TermGrader, window: Window
) -> pl.DataFrame:
    """Grade a frame as ``grade`` does, by treatment dates (Date, null: unknown) for each row."""
    layout = recognise(labs.columns, "labs", DEFAULT_OPTIONS)
    rows = layout.rows(labs.with_columns(pl.col(layout.reads).cast(pl.String)))
    graded = grade_rows(rows.with_columns(rt_start=rt_start, rt_end=rt_end), grader, window)
    ours = graded.with_columns(edition=pl.lit(grader.edition.name)).select("row", *GRADE_COLUMNS)
    given = labs[ours["row"]].rename(apart(labs.columns, GRADE_COLUMNS))
    return pl.concat([given, ours.drop("row")], how="horizontal")


def as_window(window: str | Window) -> Window:
    """Return the window that a text means; a ``Window`` is one already."""
    return read_window(window) if isinstance(window, str) else window


def read_courses(
    labs: _Table,
    patients: _Table | None,
    layout: Layout,
    distinct: Callable[[_Table, Sequence[str]], pl.DataFrame],
) -> pl.DataFrame:
    """Return ``patient``, ``rt_start`` and ``rt_end`` of each patient who has treatment dates.

    ``distinct`` returns the distinct rows of some columns of a table: about one for each patient,
    few enough to check the dates of all patients at once.

    Raises:
        FileError: dates are given twice, cannot be read, or contradict each other.
    """
    in_labs = "rt_start" in layout.named or "rt_end" in layout.named
    if patients is None and not in_labs:
        return NO_COURSES
    if patients is not None and in_labs:
        text = "give the treatment dates once: as columns of the labs, or in the patients table"
        raise FileError(f"the labs have rt_start or rt_end beside a patients table: {text}")
    table, name = (labs, "labs") if patients is None else (patients, "patients")
    columns = treatment_columns(table.columns, name, DEFAULT_OPTIONS)
    texts = distinct(table, columns).cast(pl.String).sort(columns)
    texts.columns = ["patient", "start", "end"]
    numbered = texts.with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
    return treatment_dates(numbered, columns[1:], name)


def _distinct(table: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return table.select(columns).unique()
