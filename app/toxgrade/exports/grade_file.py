"""Grade a lab export: every row comes out, in order, with its grades or its reason."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from toxgrade.cohort.definition import Scope
from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.exports.run_report import (
    NOTHING_REJECTED,
    UNREADABLE,
    GradeFileRequest,
    RunSummary,
    Tally,
    rejected,
    write_manifest,
)
from toxgrade.exports.worst_grades import Worst, worst_grades
from toxgrade.grading.columns.grader import ColumnGrader
from toxgrade.grading.rules import Graders
from toxgrade.tabular.courses import NO_COURSES, Courses, read_patients
from toxgrade.tabular.lab_export import ExportChunk, Labs, open_labs
from toxgrade.tabular.open_file import find_files
from toxgrade.tabular.output_files import as_adam, check_apart, check_output, write
from toxgrade.tabular.spill import SpillFile, temporary_folder
from toxgrade.tabular.table import CHUNK, ROW, Table, apart

_AT_ONCE = 2 * CHUNK
"""Rows per piece here, where some hundred steps are done on each: a twentieth less work per row
than in pieces of half the size, for 0.15 GB more."""

Progress = Callable[[str, int], None]
"""Told after each piece what is being done and how many rows are through."""


def grade_file(
    batch: GradeFileRequest, graders: Graders, progress: Progress = lambda _what, _rows: None
) -> RunSummary:
    """Grade ``batch.labs`` into ``batch.output``, beside it ``….manifest.json``.

    The input is read once, in pieces, so that memory is bounded whatever its size. It is gone
    through twice: a temporary folder holds it in between, 20 bytes a row and 4 for each of its
    columns whose texts repeat; of other columns the texts.

    Raises:
        FileError: a file that cannot be used as it is; nothing is written then.
        CriteriaError: there is no such edition.
    """
    edition = graders.for_rules(batch.rules).edition
    for path in (batch.output, batch.rejects, batch.worst):
        if path is not None:
            check_output(path)
    if batch.table is not None:
        from toxgrade.exports.worst_grades import check_table

        check_table(batch.table)
    with temporary_folder() as folder:
        paths = find_files(batch.labs, folder)
        inputs = [*paths, batch.patients] if batch.patients else paths
        check_apart((batch.output, batch.rejects, batch.worst, batch.table), inputs)
        stamps = _stamps(inputs)
        labs = open_labs(paths, folder, batch.options).kept(folder)
        patients, courses = _courses(labs, batch, folder)
        columns = ColumnGrader(graders.for_rules(batch.rules), batch.rules.window, courses)
        run = _Run(labs, columns, batch, edition, progress, folder)
        run.read()
        for path, was, now in zip(inputs, stamps, _stamps(inputs), strict=True):
            if was != now:
                raise FileError(f"{path.name}: it was changed while it was read")
        write(run.graded(), batch.output)
        run.write_side_files()
        report = run.report()
        tables = labs.tables if patients is None else (*labs.tables, patients)
    write_manifest(batch, report, tables, edition.sha256)
    return report


def _stamps(paths: Iterable[Path]) -> list[tuple[int, int] | None]:
    """What changes with a file: its size and when it was written to; None where there is none."""
    found = [path.stat() if path.exists() else None for path in paths]
    return [stat and (stat.st_size, stat.st_mtime_ns) for stat in found]


def _courses(
    labs: Labs, batch: GradeFileRequest, folder: Path
) -> tuple[Table | None, pl.DataFrame]:
    """The patients file and its treatment dates; none where the labs give them, or nobody does."""
    if batch.patients is None:
        return None, NO_COURSES
    if labs.treatment_columns:
        text = "give the treatment dates once: as columns of the labs, or in the patients file"
        name = labs.tables[0].name
        raise FileError(f"{name} has rt_start or rt_end beside --patients: {text}")
    return read_patients(batch.patients, batch.options, folder)


class _Run:
    """One batch on its way through both passes."""

    def __init__(
        self,
        labs: Labs,
        columns: ColumnGrader,
        batch: GradeFileRequest,
        edition: Edition,
        progress: Progress,
        folder: Path,
    ) -> None:
        self._labs, self._columns, self._batch, self._edition = labs, columns, batch, edition
        self._progress = progress
        self._read, self._rejects = SpillFile(folder, "read"), SpillFile(folder, "rejects")
        self._tally = Tally(batch.options.decimal)
        self._worst: Worst | None = None

    def read(self) -> None:
        """The first pass: every text read, as numbers that are kept aside for the second."""
        rows, dates = 0, self._labs.treatment_columns
        courses = Courses(dates) if dates else None
        for chunk in self._labs.chunks(size=_AT_ONCE):
            who = self._columns.number(chunk.rows["patient"])
            if courses is not None:
                self._columns.learn(courses.learn(chunk.rows, who, chunk.table.name))
            self._read.add(self._columns.read(chunk.rows, who, rows))
            rows += len(chunk.rows)
            self._progress("baselines", rows)
        if self._batch.worst or self._batch.table:
            patients, with_days = len(self._columns.patients), self._batch.table is not None
            self._worst = Worst(patients, with_days=with_days)

    def graded(self) -> Iterator[pl.DataFrame]:
        """The graded pieces as they are written; what else is wanted of them is kept aside."""
        rows = 0
        for chunk, read in zip(self._labs.chunks(size=_AT_ONCE), self._read.frames(), strict=True):
            graded = self._columns.grade(read, chunk.rows, rows)
            place = graded["row"] - rows
            rows += len(chunk.rows)
            self._tally.add(chunk, graded, place)
            if self._worst is not None:
                self._worst.add(graded)
            self._keep_rejects(chunk, graded, place)
            self._progress("grades", rows)
            yield self._written(chunk, graded, place)

    def _written(self, chunk: ExportChunk, graded: pl.DataFrame, place: pl.Series) -> pl.DataFrame:
        """The piece as it is written: ours beside the input's columns, or under ADaM's names."""
        name = self._edition.name
        ours = graded.drop("who", "last").with_columns(
            (chunk.rows[ROW].gather(place) + 1).alias("row"),
            edition=pl.lit(name, dtype=pl.Enum([name])),
        )
        if self._batch.names == "adam":
            high = {term.name: term.direction == "high" for term in self._edition.terms}
            return as_adam(chunk.rows[place], ours, high)
        return _beside(chunk.given, ours, place)

    def _keep_rejects(self, chunk: ExportChunk, graded: pl.DataFrame, place: pl.Series) -> None:
        found = rejected(chunk, graded, place, self._labs.layout)
        self._tally.rejected += found["row"].n_unique()
        if self._batch.rejects is not None and len(found):
            self._rejects.add(found)

    def write_side_files(self) -> None:
        batch = self._batch
        if batch.rejects is not None:
            write(chain([NOTHING_REJECTED], self._rejects.frames()), batch.rejects)
        if self._worst is None:
            return
        courses = self._columns.patients
        bounds = self._worst.bounds(courses["patient"])
        if batch.worst is not None:
            write([worst_grades(bounds)], batch.worst)
        if batch.table is not None:
            from toxgrade.exports.worst_grades import write_table

            scope = Scope(batch.phase)
            days = self._worst.last_days(courses["patient"])
            write_table(
                batch.table, bounds, days, courses, self._edition, batch.rules.window, scope
            )

    def report(self) -> RunSummary:
        tally, patients = self._tally, self._columns.patients
        undated = patients.filter(pl.col("rt_start").is_null() & pl.col("rt_end").is_null())
        other = self._columns.other_baselines()
        return RunSummary(
            layout=self._labs.layout.name,
            rows=tally.rows,
            entries=tally.entries,
            graded=tally.graded,
            undecided=tally.undecided,
            rejected=tally.rejected,
            unknown_analytes=tally.told("unknown-analyte"),
            unknown_units=tally.told("unknown-unit"),
            unreadable={what: tally.told(f"unreadable-{what}") for what in UNREADABLE},
            patients=len(patients),
            without_dates=len(undated),
            read_as={table.name: table.told for table in self._labs.tables},
            other_baselines=tuple((a + 1, b + 1) for a, b in other.iter_rows()),
        )


def _beside(given: pl.DataFrame, ours: pl.DataFrame, place: pl.Series) -> pl.DataFrame:
    """The input columns, then ours; an input column with one of our names becomes ``in_NAME``."""
    given = given.rename(apart(given.columns, ours.columns))
    return (given if len(ours) == len(given) else given[place]).hstack(ours)
