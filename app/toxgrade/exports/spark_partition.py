"""What an executor does with one partition of ``spark.grade``, in which every patient is whole.

As ``toxgrade grade`` does, it reads the rows in pieces, finds the baselines, and reads them again;
in between they lie on disk, so that memory is bounded however many rows a patient has, and no rows
need to be sorted.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.grading.columns import patient_baselines
from toxgrade.grading.columns.output import FILE_SCHEMA
from toxgrade.grading.columns.patient import ColumnGrader
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.courses import Courses, patient_courses
from toxgrade.tabular.layouts import recognise
from toxgrade.tabular.parquet_xlsx import as_text
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.spill import SpilledReads
from toxgrade.tabular.table import LINE
from toxgrade.tabular.treatment_columns import TreatmentColumns

PATIENT, IS_COURSE = "patient", "is_course"
IDENTITY, ERROR = "identity", "toxgrade_error"
"""Columns beside the labs' own, which have numbers for names."""
_COURSE = dict.fromkeys(TreatmentColumns._fields, pl.String)
_PIECE = 100_000  # Rows graded at a time; they and their grades take some 100 MB.
_BATCH = 10_000  # Rows handed to Spark at a time, as many as it hands over.
_ARROW = {pl.Int8: pa.int8(), pl.Int32: pa.int32(), pl.Boolean: pa.bool_(), pl.String: pa.string()}


def added(dates: TreatmentColumns | None) -> dict[str, pa.DataType]:
    """Return the columns that grading adds, with their types; the last one, ``ERROR``, is removed
    at the end. ``dates`` are those of treatment.
    """
    computed = {name: _ARROW[kind] for name, kind in FILE_SCHEMA.items()}
    courses = {"course": pa.int8()} if dates and dates.course else {}
    return {**computed, **courses, ERROR: pa.string()}


def text_of(place: int) -> str:
    """Return the column that has as texts what grading reads of the labs' column at ``place``."""
    return f"text {place}"


@dataclass(frozen=True, slots=True)
class Partition:
    """How partitions are graded; it is sent to the executors.

    ``edition`` is the name of that of ``rules``; ``header`` are the names of the labs' columns,
    ``answer`` those that these and ours have in the answer. ``dates`` are the columns of treatment
    dates of the table of patients or, if ``in_labs``, of the labs; None: there are none.
    """

    rules: Rules
    edition: str
    header: tuple[str, ...]
    answer: tuple[str, ...]
    dates: TreatmentColumns | None
    in_labs: bool

    def graded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the graded rows; or a row of ``ERROR`` alone where treatment dates are refused."""
        local = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or None
        with TemporaryDirectory(prefix="toxgrade-", dir=local) as folder:
            rows = _SpilledRows(Path(folder), batches)
            try:
                columns, read = self._first_pass(rows, Path(folder))
            except FileError as error:
                yield self._refusal(rows, str(error))
                return
            first = 0
            columns.settle(
                lambda: zip(read.pieces(keep=True), map(self._rows, rows.pieces()), strict=True)
            )
            for given, parsed in zip(rows.pieces(), read.pieces(), strict=True):
                graded = columns.grade(parsed, self._rows(given), first)
                yield from self._answer(given, graded, first)
                first += len(given)

    def _first_pass(self, rows: "_SpilledRows", folder: Path) -> tuple[ColumnGrader, SpilledReads]:
        """Return the grader, which has found the baselines, and what it read of each piece."""
        grader = Graders(load(only=self.rules.edition)).for_rules(self.rules)
        named = self.dates or TreatmentColumns(PATIENT, "", "")
        courses = patient_courses(rows.courses, named, "patients")
        columns = ColumnGrader(grader, self.rules.window, courses)
        in_rows = Courses((named.start, named.end)) if self.in_labs else None
        read, first = SpilledReads(folder), 0
        for given in rows.pieces():
            parsed = self._rows(given)
            who = columns.number(parsed["patient"])
            if in_rows is not None:
                lines = pl.lit(None, dtype=pl.Int64).alias(LINE)
                columns.learn(in_rows.learn(parsed.with_columns(lines), who, "labs"))
            read.add(columns.read(parsed, who, first))
            first += len(given)
        return columns, read

    def _rows(self, given: pa.Table) -> pl.DataFrame:
        """Return our columns of a result as texts, and ``patient_baselines.IDENTITY``."""
        layout = recognise(self.header, "labs", DEFAULT_OPTIONS)
        places = map(self.header.index, layout.reads)
        held = [text_of(at) if text_of(at) in given.column_names else str(at) for at in places]
        frame = pl.DataFrame(pl.from_arrow(given.select([*held, IDENTITY])))
        frame.columns = [*layout.reads, patient_baselines.IDENTITY]
        read = [as_text(name, frame.schema[name], "labs", None) for name in layout.reads]
        return layout.rows(frame.with_columns(read)).hstack([frame[patient_baselines.IDENTITY]])

    def _answer(self, given: pa.Table, graded: pl.DataFrame, first: int) -> list[pa.RecordBatch]:
        """Return the labs' columns and ours, which ``graded`` has with the row of each."""
        given = given.select([str(place) for place in range(len(self.header))])
        if len(graded) != len(given):
            given = given.take((graded["row"] - first).to_arrow())
        nothing = pl.lit(None, dtype=pl.String).alias(ERROR)
        ours, kinds = graded.with_columns(nothing, edition=pl.lit(self.edition)), added(self.dates)
        texts = ours.select(list(kinds)).cast({pl.Enum: pl.String, pl.Categorical: pl.String})
        arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        arrays = [arrow[name].cast(kind) for name, kind in kinds.items()]
        answer = pa.Table.from_arrays([*given.columns, *arrays], self.answer)
        return list(answer.combine_chunks().to_batches(max_chunksize=_BATCH))

    def _refusal(self, rows: "_SpilledRows", error: str) -> pa.RecordBatch:
        kinds = [*(rows.schema.field(str(at)).type for at in range(len(self.header)))]
        nulls = [pa.nulls(1, kind) for kind in (*kinds, *added(self.dates).values())]
        return pa.RecordBatch.from_arrays([*nulls[:-1], pa.array([error])], self.answer)


class _SpilledRows:
    """The labs' rows of a partition, in pieces on disk, and the treatment dates between them.

    ``courses``: the fields of ``TreatmentColumns`` (String) and line (Int64, null: none).
    """

    def __init__(self, folder: Path, batches: Iterable[pa.RecordBatch]) -> None:
        self._folder = folder
        self._files: list[Path] = []
        self.schema = pa.schema([])
        courses, waiting = [pl.DataFrame(schema=_COURSE)], list[pa.RecordBatch]()
        for batch in batches:
            self.schema = batch.schema
            labs, dates = _apart(batch)
            courses.append(dates)
            waiting.append(labs)
            if sum(map(len, waiting)) >= _PIECE:
                self._spill(waiting)
                waiting = []
        if sum(map(len, waiting)):
            self._spill(waiting)
        texts = pl.concat(courses).with_columns(pl.all().replace("", None))
        self.courses = texts.with_columns(line=pl.lit(None, dtype=pl.Int64))

    def _spill(self, batches: list[pa.RecordBatch]) -> None:
        # One chunk: taking rows out of several is slow.
        table = pa.Table.from_batches(batches).combine_chunks()
        path = self._folder / f"rows-{len(self._files)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        self._files.append(path)

    def pieces(self) -> Iterator[pa.Table]:
        """Yield the rows in the order in which they came."""
        for path in self._files:
            with pa.memory_map(str(path)) as file:
                yield pa.ipc.open_file(file).read_all()


def _apart(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pl.DataFrame]:
    """Return the labs' rows and the treatment dates of a batch."""
    none = pl.DataFrame(schema=_COURSE)
    if IS_COURSE not in batch.schema.names:
        return batch, none
    is_course = batch.column(IS_COURSE)
    if is_course.null_count == len(batch):
        return batch, none
    dates = pl.DataFrame(pl.from_arrow(batch.select(list(_COURSE)).filter(is_course)))
    return batch.filter(is_course.is_null()), dates
