"""The toxicity table that the worst grades of an export make."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import polars as pl

from toxgrade.cohort.definition import LIVER_ENZYMES, Scope, definition_text, paper_rows
from toxgrade.cohort.table_document import WRITERS, counted_document
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.cohort.worst import Bounds, CohortPatient
from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.exports.worst_grades import PHASES
from toxgrade.grading.phase import Window
from toxgrade.grading.result import Course
from toxgrade.tabular.output_files import whole

_PATIENT = itemgetter("patient", "rt_start", "rt_end")
_BOUNDS = ("least", "most", "decided")


def check_table(path: Path) -> None:
    """Refuse a file for the table that could not be written, before the work is done.

    Raises:
        FileError: the suffix is not one that is written.
    """
    if path.suffix not in WRITERS:
        raise FileError(f"{path.name}: the table is {', '.join(WRITERS)}")


def write_table(
    path: Path, bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame,
    edition: Edition, window: Window, scope: Scope,
) -> None:  # fmt: skip
    """Write the toxicity table of the laboratory rows, as ``cohort.document`` counts a study's.

    ``bounds`` and ``days`` as ``Worst.bounds`` and ``Worst.last_days`` give them, ``courses`` as
    ``treatment_dates`` does. Clinicians' grades are in no export: their rows are left out rather
    than counted as absent.
    """
    rows = tuple(row for row in paper_rows(edition, LIVER_ENZYMES) if not row.clinical)
    patients = _patients(bounds, days, courses)
    counted = toxicity_table(patients, rows, scope, window)
    document = counted_document(counted, definition_text(edition, window, rows, scope))
    with whole(path) as unfinished:
        unfinished.write_text(WRITERS[path.suffix](document), encoding="utf-8")


def _patients(
    bounds: pl.DataFrame, days: Mapping[str, date], courses: pl.DataFrame
) -> Iterator[CohortPatient]:
    """Every patient of the export, by name: one of whom nothing is counted is one of all, too."""
    everyone = courses.sort("patient").join(bounds, on="patient", how="left", maintain_order="left")
    for (name, start, end), mine in groupby(everyone.iter_rows(named=True), _PATIENT):
        windows: dict[str, dict[str, Bounds]] = {phase: {} for phase in PHASES}
        for row in mine:
            for phase, terms in windows.items():
                if row[f"{phase}_decided"] is not None:
                    terms[row["term"]] = Bounds(*(row[f"{phase}_{side}"] for side in _BOUNDS))
        yield CohortPatient(name, windows, Course(start, end), seen_until=days.get(name))
