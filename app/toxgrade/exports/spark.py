"""The column grader inside Spark, for exports beyond one machine.

Spark brings the rows of each patient together and hands them over as Arrow; ``grade_rows`` grades
them, as on one machine. The driver and every executor need the extra ``toxgrade[spark]``.
"""

from collections.abc import Callable, Iterator, Sequence

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql.functions import broadcast
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DataType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.grade_frame import DATES_TWICE, GRADE_COLUMNS, as_window
from toxgrade.grading.columns.grader import grade_rows
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.phase import Window
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.courses import NO_COURSES, treatment_dates
from toxgrade.tabular.layouts import Layout, recognise, treatment_columns
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import apart

_PIECE = 100_000  # Rows graded at a time, some 100 MB; more only if one patient has more.
_START, _END = "__rt_start", "__rt_end"
_BYTE, _TEXT, _FLAG = ByteType(), StringType(), BooleanType()
_TYPES: dict[str, DataType] = {
    "grade": _BYTE, "at_least": _BYTE, "at_most": _BYTE, "on_treatment": _FLAG,
    "days_from_end": IntegerType(), "baseline_grade": _BYTE, "worse_than_baseline": _FLAG,
}  # fmt: skip
"""The types of the added columns that are not text."""


def grade(
    labs: DataFrame,
    patients: DataFrame | None = None,
    edition: str = "4.03",
    window: str | Window = "paper",
) -> DataFrame:
    """Grade a table of lab results for every term of its analytes.

    ``labs``: own columns or SDTM LB, as texts, numbers or dates; ``patients``: patient, rt_start,
    rt_end, or SDTM DM; None: ``labs`` gives the dates, or there are none. ``window``: a text such
    as ``paper`` or ``end+3m``, or a ``Window``.

    Returns the columns of ``labs`` (a clashing one as ``in_NAME``), then ``term``, ``grade``,
    ``at_least``, ``at_most``, ``reason``, ``flags``, ``criterion``, ``phase``, ``on_treatment``,
    ``days_from_end``, ``baseline_grade``, ``worse_than_baseline``, ``edition`` as ``toxgrade
    grade`` gives them: one row for each row and term, in no order. Of several rows that could
    equally be a baseline, the first by their columns is taken, so that no result depends on order.

    Raises:
        FileError: columns are missing, or treatment dates cannot be read or contradict each other.
        CriteriaError: there is no such edition.
    """
    layout = recognise(labs.columns, "labs", DEFAULT_OPTIONS)
    rules = Rules(edition, as_window(window))
    Graders(load()).for_rules(rules)
    patient = layout.named["patient"]
    dates = _read_courses(labs, patients, layout, _distinct).rename(
        {"rt_start": _START, "rt_end": _END}
    )
    courses = labs.sparkSession.createDataFrame(dates.rename({"patient": patient}).to_arrow())
    sorted_rows = (
        labs.join(broadcast(courses), patient, "left")
        .select(*labs.columns, _START, _END)
        .repartition(patient)
        .sortWithinPartitions(patient, *(name for name in layout.reads if name != patient))
    )
    schema = _schema(labs)
    return sorted_rows.mapInArrow(_grading(patient, rules, schema), schema)


def _distinct(table: DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table.select(*columns).distinct().toArrow()))


def _schema(labs: DataFrame) -> StructType:
    renamed = apart(labs.columns, GRADE_COLUMNS)
    given = [
        StructField(renamed.get(field.name, field.name), field.dataType)
        for field in labs.schema.fields
    ]
    return StructType(
        [*given, *(StructField(name, _TYPES.get(name, _TEXT)) for name in GRADE_COLUMNS)]
    )


def _grading(
    patient: str, rules: Rules, schema: StructType
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what an executor does with one partition, whose rows are sorted by patient."""

    def graded(pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        grader = Graders(load()).for_rules(rules)
        arrow_schema = to_arrow_schema(schema)
        for rows in _whole_patients(pieces, patient):
            given = rows.drop(_START, _END)
            entries = _grade_dated(given, rows[_START], rows[_END], grader, rules.window)
            yield from pa.Table.from_arrays(
                [column.to_arrow().cast(field.type) for column, field in zip(
                    entries.iter_columns(), arrow_schema, strict=True
                )], schema=arrow_schema,
            ).to_batches()  # fmt: skip

    return graded


def _whole_patients(pieces: Iterator[pa.RecordBatch], patient: str) -> Iterator[pl.DataFrame]:
    """Yield the rows in larger pieces, none of which ends in the middle of a patient."""
    waiting: list[pl.DataFrame] = []
    for piece in pieces:
        waiting.append(pl.DataFrame(pl.from_arrow(piece)))
        if sum(map(len, waiting)) < _PIECE:
            continue
        rows = pl.concat(waiting)
        whole = rows[patient].ne_missing(rows[patient][-1]).sum()
        if whole:
            yield rows[:whole]
        waiting = [rows[whole:]]
    if waiting:
        yield pl.concat(waiting)


def _grade_dated(
    labs: pl.DataFrame, rt_start: pl.Series, rt_end: pl.Series, grader: TermGrader, window: Window
) -> pl.DataFrame:
    """Grade a frame as ``grade`` does, by treatment dates (Date, null: unknown) for each row."""
    layout = recognise(labs.columns, "labs", DEFAULT_OPTIONS)
    rows = layout.rows(labs.with_columns(pl.col(layout.reads).cast(pl.String)))
    graded = grade_rows(rows.with_columns(rt_start=rt_start, rt_end=rt_end), grader, window)
    ours = graded.with_columns(edition=pl.lit(grader.edition.name)).select("row", *GRADE_COLUMNS)
    given = labs[ours["row"]].rename(apart(labs.columns, GRADE_COLUMNS))
    return pl.concat([given, ours.drop("row")], how="horizontal")


def _read_courses(
    labs: DataFrame,
    patients: DataFrame | None,
    layout: Layout,
    distinct: Callable[[DataFrame, Sequence[str]], pl.DataFrame],
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
        raise FileError(DATES_TWICE)
    table, name = (labs, "labs") if patients is None else (patients, "patients")
    columns = treatment_columns(table.columns, name, DEFAULT_OPTIONS)
    texts = distinct(table, columns).cast(pl.String).sort(columns)
    texts.columns = ["patient", "start", "end"]
    numbered = texts.with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))
    return treatment_dates(numbered, columns[1:], name)
