"""Grading of a lab export: every row comes out, in order, with its grades or with the reason."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from toxgrade.cohort.definition import Scope
from toxgrade.criteria.model import Edition
from toxgrade.errors import FileError
from toxgrade.exports.grade_inputs import Inputs, open_inputs, stamps
from toxgrade.exports.run_report import (
    NOTHING_REJECTED,
    GradeFileRequest,
    RunSummary,
    rejected,
    write_manifest,
)
from toxgrade.exports.table_file import check_table, write_table
from toxgrade.exports.tally import UNREADABLE, Tally
from toxgrade.exports.worst_cells import Worst
from toxgrade.exports.worst_grades import bounds_by_phase, worst_grades
from toxgrade.grading.columns.output import FOR_COUNTING
from toxgrade.grading.columns.patient import ColumnGrader
from toxgrade.grading.flags import Flag
from toxgrade.grading.rules import Graders
from toxgrade.tabular.courses import Courses
from toxgrade.tabular.identifiers import look_alikes
from toxgrade.tabular.lab_export import ExportChunk
from toxgrade.tabular.open_file import find_files
from toxgrade.tabular.output_files import as_adam, check_apart, check_output, write
from toxgrade.tabular.spill import SpilledReads, SpillFile, temporary_folder
from toxgrade.tabular.table import CHUNK, FILLED, ROW, apart

_PIECE = 2 * CHUNK
"""Rows per piece here, where some hundred steps are done on each: a twentieth less work per row
than with pieces of half the size, for 0.15 GB more memory."""

Progress = Callable[[str, int], None]
"""Called after each piece with the step that is being done and the number of rows done."""


def grade_file(
    request: GradeFileRequest, graders: Graders, progress: Progress = lambda _what, _rows: None
) -> RunSummary:
    """Grade ``request.labs`` into ``request.output`` and write its ``….manifest.json``.

    The input is read once, in pieces, so that memory is bounded whatever its size. For the second
    pass over it a temporary folder holds 20 bytes per row, 4 more for each column whose texts
    repeat, the texts of the other columns, and where rows hardly repeat some 80 bytes per grading.

    Raises:
        FileError: a file cannot be used as it is; nothing is written then.
        CriteriaError: there is no such edition.
    """
    edition = graders.for_rules(request.rules).edition
    for path in (request.output, request.rejects, request.worst):
        if path is not None:
            check_output(path)
    if request.table is not None:
        check_table(request.table)
    with temporary_folder() as folder:
        paths = find_files(request.labs, folder)
        beside = [path for path in (request.patients, request.ranges) if path is not None]
        given = [*paths, *beside]
        check_apart((request.output, request.rejects, request.worst, request.table), given)
        before, grader = stamps(given), graders.for_rules(request.rules)
        inputs = open_inputs(paths, request, grader, folder)
        columns = ColumnGrader(grader, request.rules.window, inputs.courses, inputs.ranges)
        run = _Run(inputs, columns, request, edition, progress, folder)
        run.first_pass()
        for path, was, now in zip(given, before, stamps(given), strict=True):
            if was != now:
                raise FileError(f"{path.name}: it was changed while it was read")
        run.write_files()
        report = run.report()
    write_manifest(request, report, (*inputs.labs.tables, *inputs.beside), edition.sha256)
    return report


class _Run:
    """One run: both passes over the export, and what is gathered on the way."""

    def __init__(
        self,
        inputs: Inputs,
        columns: ColumnGrader,
        request: GradeFileRequest,
        edition: Edition,
        progress: Progress,
        folder: Path,
    ) -> None:
        self._inputs, labs = inputs, inputs.labs
        self._labs, self._columns, self._request, self._edition = labs, columns, request, edition
        self._progress = progress
        self._read, self._rejects = SpilledReads(folder), SpillFile(folder, "rejects")
        unused = [name for name in labs.columns if name not in labs.layout.reads]
        has_specimen = "specimen" in labs.layout.ours
        self._tally = Tally(request.options.decimal, unused, specimens=not has_specimen)
        self._worst: Worst | None = None

    def first_pass(self) -> None:
        """Parse every text, find the baselines, and spill the parsed rows for the second pass."""
        rows, dates = 0, self._labs.treatment_columns
        courses = Courses(dates) if dates else None
        for chunk in self._labs.chunks(size=_PIECE):
            who = self._columns.number(chunk.rows["patient"])
            if courses is not None:
                self._columns.learn(courses.learn(chunk.rows, who, chunk.table.name))
            self._read.add(self._columns.read(self._rows(chunk), who, rows))
            rows += len(chunk.rows)
            self._progress("baselines", rows)
        if self._request.worst or self._request.table:
            self._worst = Worst(len(self._columns.patients), with_days=bool(self._request.table))

    def _rows(self, chunk: ExportChunk) -> pl.DataFrame:
        """Return rows with what decides their ranges, if there are any."""
        name = self._inputs.laboratory
        return chunk.rows.with_columns(chunk.given[name].alias("lab")) if name else chunk.rows

    def _second_pass(self) -> Iterator[pl.DataFrame]:
        """Yield the graded pieces to write; count them, and gather worst grades and rejects."""
        rows = 0
        again = (piece.rows for piece in self._labs.chunks_once_more(_PIECE))
        self._columns.settle(lambda: zip(self._read.pieces(keep=True), again, strict=True))
        for chunk, read in zip(self._labs.chunks(size=_PIECE), self._read.pieces(), strict=True):
            graded = self._columns.grade(read, chunk.rows, rows)
            places = graded["row"] - rows
            if FILLED in chunk.rows.columns:
                graded = _flag_filled(graded, chunk.rows[FILLED].gather(places))
            rows += len(chunk.rows)
            self._tally.add(chunk, graded, places)
            if self._worst is not None:
                self._worst.add(graded)
            self._add_rejects(chunk, graded, places)
            self._progress("grades", rows)
            yield self._output(chunk, graded, places)

    def _output(self, chunk: ExportChunk, graded: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
        """Return the piece to write: the input's columns and ours, or ours under ADaM's names."""
        name = self._edition.name
        ours = (
            graded.drop(FOR_COUNTING)
            .with_columns(
                (chunk.rows[ROW].gather(places) + 1).alias("row"),
                edition=pl.lit(name, dtype=pl.Enum([name])),
            )
            .hstack([graded["course"]] * self._inputs.numbered)
        )
        if self._request.names == "adam":
            high = {term.name: term.direction == "high" for term in self._edition.terms}
            return as_adam(chunk.rows[places], ours, high)
        return _with_input_columns(chunk.given, ours, places)

    def _add_rejects(self, chunk: ExportChunk, graded: pl.DataFrame, places: pl.Series) -> None:
        found = rejected(chunk, graded, places, self._labs.layout)
        self._tally.add_rejects(found)
        if self._request.rejects is not None and len(found):
            self._rejects.add(found)

    def write_files(self) -> None:
        """Write the grades, and the rejects, worst grades and table where they are wanted."""
        request, behind = self._request, self._tally.behind_apostrophe
        behind += write(self._second_pass(), request.output)
        if request.rejects is not None:
            behind += write(chain([NOTHING_REJECTED], self._rejects.frames()), request.rejects)
        if self._worst is None:
            return
        courses = self._columns.patients
        names = courses["patient"]
        if request.worst is not None:
            cells = self._worst.cells(names)
            behind += write(map(worst_grades, map(bounds_by_phase, cells)), request.worst)
        if request.table is not None:
            scope = Scope(request.phase)
            days = self._worst.last_days(names)
            bounds = pl.concat(map(bounds_by_phase, self._worst.cells(names)))
            write_table(
                request.table, bounds, days, courses, self._edition, request.rules.window, scope,
                self._tally.unplaced_results,
            )  # fmt: skip

    def report(self) -> RunSummary:
        """Return the summary of the run, once all is written."""
        tally, columns, patients = self._tally, self._columns, self._columns.patients
        without_dates = patients.filter(pl.col("rt_start").is_null() & pl.col("rt_end").is_null())
        return RunSummary(
            layout=self._labs.layout.name,
            rows=tally.rows,
            results=tally.results,
            headers=tally.headers,
            entries=tally.entries,
            graded=tally.graded,
            undecided=tally.undecided,
            rejected=tally.rejected,
            rejected_results=tally.rejected_results,
            without_patient=tally.without_patient,
            unknown_analytes=tally.texts("unknown-analyte"),
            unknown_units=tally.unknown_units,
            other_specimens=tally.texts("other-specimen"),
            sign_columns=tally.sign_columns,
            specimen_columns=tally.specimen_columns,
            unreadable={what: tally.texts(f"unreadable-{what}") for what in UNREADABLE},
            other_years=tally.texts("other-years"),
            after_death=tally.after_death,
            unlikely_dates=tally.unlikely_dates,
            filled=tally.filled,
            study_ranges=None if self._request.ranges is None else tally.study_ranges,
            cleaned=tally.cleaned,
            phase_unknown=tally.phase_unknown,
            patients=len(patients),
            without_dates=len(without_dates),
            look_alikes=look_alikes(columns.names),
            dates_from=self._labs.treatment_columns,
            read_as={table.name: table.told for table in self._labs.tables},
            uncertain_baselines=tally.uncertain_baselines,
            other_baselines=tuple((a + 1, b + 1) for a, b in columns.other_baselines().iter_rows()),
            behind_apostrophe=dict(tally.behind_apostrophe),
        )


def _flag_filled(graded: pl.DataFrame, filled: pl.Series) -> pl.DataFrame:
    """Return graded rows with the flag of those that were filled down (``Y``)."""
    kind = graded.schema["flags"]
    flags = pl.concat_str(
        pl.col("flags").cast(pl.String), pl.lit(Flag.FILLED_DOWN.value), separator=" ",
        ignore_nulls=True,
    ).cast(kind)  # fmt: skip
    is_filled = filled.is_not_null()
    return graded.with_columns(pl.when(is_filled).then(flags).otherwise("flags").alias("flags"))


def _with_input_columns(given: pl.DataFrame, ours: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """Return the input columns, then ours; an input column with one of our names is renamed."""
    given = given.rename(apart(given.columns, ours.columns))
    return (given if len(ours) == len(given) else given[places]).hstack(ours)
