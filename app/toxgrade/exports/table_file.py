"""The toxicity table of an export, as a file."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import polars as pl

from toxgrade.cohort.definition import LIVER_ENZYMES, Scope, definition_text, paper_rows
from toxgrade.cohort.left_out import left_out
from toxgrade.cohort.table_files import WRITERS
from toxgrade.cohort.table_report import table_report
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.cohort.worst import CohortPatient
from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Course
from toxgrade.grading.worst_grade import Bounds
from toxgrade.tabular.whole_file import whole

_PATIENT = itemgetter("patient", "rt_start", "rt_end", "ongoing", "next_start")
_BOUNDS = ("least", "most", "decided", "worse", "relative")


def check_table(path: Path) -> None:
    """Refuse a file for the table that could not be written, before the work is done.

    Raises:
        FileError: the suffix is of no format that is written.
    """
    if path.suffix not in WRITERS:
        raise FileError(f"{path.name}: the table is {', '.join(WRITERS)}")


def write_table(
    path: Path, bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame,
    edition: Edition, window: Window, scope: Scope, phase_unknown: Mapping[str, int],
) -> None:  # fmt: skip
    """Write the toxicity table of the laboratory rows, counted as for a stored study.

    ``bounds`` is what ``bounds_by_phase`` returned, ``days`` ``Worst.last_days``, ``courses``
    ``ColumnGrader.patients``, ``phase_unknown`` as in ``left_out``. Clinicians' grades are in
    no export: their rows are not collected, as without an event they would count as grade 0.
    """
    every = paper_rows(edition, LIVER_ENZYMES)
    rows = tuple(row for row in every if not row.clinical)
    treated = pl.col("rt_start").is_not_null() | pl.col("rt_end").is_not_null()
    patients = _patients(bounds, days, courses.filter(treated), scope)
    counted = toxicity_table(patients, rows, scope, window)
    without = courses.filter(~treated)["patient"].to_list()
    report = table_report(
        counted,
        definition_text(edition, window, rows, scope),
        [row.label for row in every if row.clinical],
        left_out(phase_unknown, without),
    )
    with whole(path) as unfinished:
        unfinished.write_text(WRITERS[path.suffix](report), encoding="utf-8")


def _patients(
    bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame, scope: Scope
) -> Iterator[CohortPatient]:
    """Yield every patient with a course by name, those of whom no result counts included."""
    everyone = courses.sort("patient").join(bounds, on="patient", how="left", maintain_order="left")
    for (name, start, end, ongoing, next_start), rows in groupby(
        everyone.iter_rows(named=True), _PATIENT
    ):
        baseline, worst = dict[str, Bounds](), dict[str, Bounds]()
        for row in rows:
            for phase, found in (("baseline", baseline), (scope.phase, worst)):
                if row[f"{phase}_decided"] is not None:
                    found[row["term"]] = Bounds(*(row[f"{phase}_{side}"] for side in _BOUNDS))
        course = Course(start, end, ongoing=bool(ongoing))
        yield CohortPatient(name, baseline, worst, course, next_start, seen_until=days.get(name))
