"""The same grades inside Spark, row by row: the column grader through ``mapInArrow``."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.conftest import missing
from tests.exports.synthetic_export import write_export
from tests.server.jobs.stored import GRADERS
from toxgrade.errors import CriteriaError, FileError
from toxgrade.grading.columns.grader import grade_rows
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.rules import Rules
from toxgrade.tabular.mapping import OURS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("pyspark")
pytestmark = pytest.mark.filterwarnings("ignore")  # Spark's own


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    if shutil.which("java") is None:
        missing("Java 17 (Debian: apt-get install openjdk-17-jre-headless)")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - takes a second

    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "3")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "700")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def _on_one_machine(labs: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """What ``grade_rows`` gives, with the input's columns before it."""
    absent = [name for name in OURS if name not in labs.columns]
    rows = labs.with_columns(
        pl.col("rt_start", "rt_end").str.to_date(),
        *(pl.lit(None, dtype=pl.String).alias(name) for name in absent),
    )
    grader = GRADERS.for_rules(rules)
    graded = grade_rows(rows, grader, rules.window)
    ours = graded.with_columns(edition=pl.lit(grader.edition.name))
    return pl.concat([labs[ours["row"]], ours.drop("row")], how="horizontal")


@pytest.mark.parametrize("window", ["paper", "rtog90"])
def test_every_row_gets_the_grades_of_one_machine(
    spark: "SparkSession", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: str
) -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    write_export(tmp_path / "labs.csv", 8000)
    labs = pl.read_csv(tmp_path / "labs.csv", infer_schema=False)
    labs = labs.with_columns(analyte=pl.when(pl.col("source_id") == "S7").then(pl.lit("lead"))
                             .otherwise("analyte"))  # fmt: skip
    found = grade(spark.createDataFrame(labs.to_arrow()), window=window).toArrow()
    expected = _on_one_machine(labs, Rules(window=PRESETS[window]))
    by = ["source_id", "term"]
    got = pl.DataFrame(pl.from_arrow(found)).select(expected.columns).cast(expected.schema)
    assert got.sort(by).equals(expected.sort(by))
    assert set(got["phase"]) >= {"baseline", "acute", "late"}


def test_a_patients_table_gives_the_dates_and_types_may_be_numbers(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    labs = spark.createDataFrame(
        [("P1", date(2011, 1, 20), "TBIL", 0.9, "mg/dL", None, 1.2, 1),
         ("P1", date(2011, 4, 23), "TBIL", 1.8, "mg/dL", None, 1.2, 2),
         (None, date(2011, 4, 23), "TBIL", 1.8, "mg/dL", None, 1.2, 3)],
        "patient string, collected date, analyte string, value double, unit string, lln double,"
        " uln double, grade int",
    )  # fmt: skip
    patients = spark.createDataFrame(
        [("P1", "2011-01-24", "2011-03-09")], "patient string, rt_start string, rt_end string"
    )
    rows = sorted(grade(labs, patients).collect(), key=lambda row: row["in_grade"])
    assert [(r["value"], r["grade"], r["phase"], r["worse_than_baseline"]) for r in rows] == [
        (0.9, 0, "baseline", False), (1.8, 1, "acute", True), (1.8, 1, "unknown", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("labs", "patients", "says"),
    [
        ({"a": "1"}, None, "the header lacks"),
        ({}, [("P1", "2011-01-24", None), ("P1", "2011-01-25", None)], "other rt_start, rt_end"),
        ({}, [("P1", "soon", None)], "expected a date"),
        ({"rt_start": "2011-01-24"}, [("P1", "2011-01-24", None)], "dates once"),
    ],
)
def test_what_cannot_be_graded_is_refused_before_the_work(
    spark: "SparkSession", labs: dict[str, str], patients: Any, says: str
) -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    row = {"patient": "P1", "collected": "2011-04-23", "analyte": "ALT", "value": "5",
           "unit": "U/L", "lln": "", "uln": "40"}  # fmt: skip
    frame = spark.createDataFrame([labs if "a" in labs else row | labs])
    dates = patients and spark.createDataFrame(
        patients, "patient string, rt_start string, rt_end string"
    )
    with pytest.raises(FileError, match=says):
        grade(frame, dates)


def test_an_unknown_edition_is_refused(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    columns = ("patient", "collected", "analyte", "value", "unit", "lln", "uln")
    frame = spark.createDataFrame([dict.fromkeys(columns, "x")])
    with pytest.raises(CriteriaError, match="the editions are"):
        grade(frame, edition="3.0")
