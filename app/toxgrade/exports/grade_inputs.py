"""The files that ``toxgrade grade`` reads: the labs, and what is told of patients and ranges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.study_ranges import NO_RANGES, RangeTable
from toxgrade.tabular.courses import NO_COURSES, read_patients
from toxgrade.tabular.idle_options import refuse_idle
from toxgrade.tabular.lab_export import Labs, open_labs
from toxgrade.tabular.range_file import read_ranges
from toxgrade.tabular.table import Table


@dataclass(frozen=True, slots=True)
class Inputs:
    """The ``labs``, for two passes, and what stands ``beside`` them in other files.

    ``numbered``: the courses of patients are; ``laboratory``: the labs' column of laboratories, if
    there are ranges.
    """

    labs: Labs
    beside: tuple[Table, ...]
    courses: pl.DataFrame
    numbered: bool
    ranges: RangeTable
    laboratory: str | None


def stamps(paths: Iterable[Path]) -> list[tuple[int, int] | None]:
    """Return size and modification time of each file; None for one that does not exist."""
    found = [path.stat() if path.exists() else None for path in paths]
    return [stat and (stat.st_size, stat.st_mtime_ns) for stat in found]


def open_inputs(
    paths: Sequence[Path], request: GradeFileRequest, grader: TermGrader, folder: Path
) -> Inputs:
    """Open the labs at ``paths`` and read the other files of a request.

    Raises:
        FileError: a file cannot be used as it is.
    """
    options, tables = request.options, list[Table]()
    if request.patients is None:
        labs = open_labs(paths, folder, options.with_dates_of_labs())
        courses = NO_COURSES
    else:
        labs = open_labs(paths, folder, options)
        if labs.treatment_columns:
            text = "give the treatment dates once: as columns of the labs, or in the patients file"
            name = labs.tables[0].name
            raise FileError(f"{name} has rt_start or rt_end beside --patients: {text}")
        persons = request.ranges is not None
        table, courses = read_patients(
            request.patients, options, folder, labs.tables[0], persons=persons
        )
        tables.append(table)
    refuse_idle(options, (*labs.tables, *tables), labs.layout)
    numbered = any("rt_course" in table.columns for table in tables)
    ranges, laboratory = NO_RANGES, None
    if request.ranges is not None:
        table, ranges = read_ranges(request.ranges, grader, folder)
        tables.append(table)
        laboratory = next((name for name in ("lab", "LBNAM") if name in labs.columns), None)
    return Inputs(labs.spilled(folder), tuple(tables), courses, numbered, ranges, laboratory)
