"""The same grades inside Spark, row by row: the column grader through ``mapInArrow``."""

from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.exports.synthetic_export import write_export
from tests.server.jobs.stored import GRADERS
from toxgrade.errors import CriteriaError, FileError
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.fields import FILE_COLUMNS
from toxgrade.grading.phase import PRESETS, read_window
from toxgrade.grading.rules import Rules
from toxgrade.tabular.mapping import OURS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("pyspark")
pytestmark = pytest.mark.filterwarnings("ignore")  # Spark's own


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
    return pl.concat([labs[ours["row"]], ours.drop("row", "course")], how="horizontal")


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


def test_the_worst_grades_of_the_docs_enclose_those_of_a_file(
    spark: "SparkSession", tmp_path: Path
) -> None:
    """P1's second platelet count is acute; that of the year may be; P2's course has no end."""
    from pyspark.sql import functions as F  # noqa: PLC0415

    from toxgrade.exports.spark import grade  # noqa: PLC0415

    days = {"P1,{},2011-03-09": ["2011-02-01", "2011"], "P2,{},": ["2011-09-01"]}
    header = "patient,rt_start,rt_end,collected,analyte,value,unit,lln,uln\n"
    rows = [
        f"{course.format('2011-01-24')},{day},PLAT,{20 + 50 * (day == '2011-02-01')},10^9/L,150,400"
        for course, found in days.items() for day in found
    ]  # fmt: skip
    (tmp_path / "labs.csv").write_text(header + "\n".join(rows) + "\n")
    labs = spark.createDataFrame(pl.read_csv(tmp_path / "labs.csv", infer_schema=False).to_arrow())
    text = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
    snippet = dedent(text.split("functions as F\n", 1)[1].split("```", 1)[0])
    names: dict[str, Any] = {"graded": grade(labs), "F": F}
    exec(snippet, names)
    found = names["worst"].orderBy("patient").collect()
    assert [(row["patient"], row["worst_acute"], row["worst_acute_at_most"]) for row in found] == [
        ("P1", 2, 4), ("P2", None, 4),
    ]  # fmt: skip


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
        [("P1 ", "2011-01-24", "2011-03-09")], "patient string, rt_start string, rt_end string"
    )  # Padded, as fixed-width files are.
    rows = sorted(grade(labs, patients).collect(), key=lambda row: row["in_grade"])
    assert [(r["value"], r["grade"], r["phase"], r["worse_than_baseline"]) for r in rows] == [
        (0.9, 0, "baseline", False), (1.8, 1, "acute", True), (1.8, None, "unknown", None),
    ]  # fmt: skip


_ROW = {"patient": "P1", "collected": "2011-04-23", "analyte": "ALT", "value": "5", "unit": "U/L",
        "lln": "", "uln": "40"}  # fmt: skip
_DATES = "patient string, rt_start string, rt_end string"


@pytest.mark.parametrize(
    ("labs", "patients", "says"),
    [
        ({"a": "1"}, None, "labs: the header lacks"),
        (_ROW | {"rt_start": "2011-01-24"}, [("P1", "2011-01-24", None)], "dates once"),
        (_ROW | {"value": ["5"]}, None, "labs: the column value is of a kind"),
    ],
)
def test_what_the_columns_show_is_refused_at_the_call(
    spark: "SparkSession", labs: dict[str, Any], patients: Any, says: str
) -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    dates = patients and spark.createDataFrame(patients, _DATES)
    with pytest.raises(FileError, match=says):
        grade(spark.createDataFrame([labs]), dates)


@pytest.mark.parametrize(
    ("labs", "patients", "says"),
    [
        ([{}], [("P1", "2011-01-24", None), ("P1", "2011-01-25", None)],
         "patients: other rt_start, rt_end than before for this patient"),
        ([{}], [("P1", "soon", None)], "column rt_start of patients: expected a date"),
        ([{"rt_start": "2011-01-24"}, {"rt_start": "2011-01-25"}], None,
         "labs: other rt_start, rt_end than before for this patient"),
    ],
)  # fmt: skip
def test_dates_that_contradict_are_refused_in_one_sentence_when_they_are_read(
    spark: "SparkSession", labs: list[dict[str, str]], patients: Any, says: str
) -> None:
    from pyspark.errors import SparkRuntimeException  # noqa: PLC0415

    from toxgrade.exports.spark import grade  # noqa: PLC0415

    dates = patients and spark.createDataFrame(patients, _DATES)
    graded = grade(spark.createDataFrame([_ROW | row for row in labs]), dates)
    with pytest.raises(SparkRuntimeException) as refused:
        graded.count()
    message = str(refused.value)
    assert message.startswith(f"[USER_RAISED_EXCEPTION] {says}")
    assert "\n" not in message.strip()
    assert "soon" not in message


def test_nothing_is_read_at_the_call(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    labs = spark.createDataFrame([_ROW | {"rt_start": "2011-01-24"}])
    spark.sparkContext.setJobGroup("call", "the call of grade")
    graded = grade(labs)
    assert list(spark.sparkContext.statusTracker().getJobIdsForGroup("call")) == []
    assert [row["phase"] for row in graded.collect()] == ["acute"]


def test_an_unknown_edition_is_refused(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    frame = spark.createDataFrame([_ROW])
    with pytest.raises(CriteriaError, match="the editions are"):
        grade(frame, edition="3.0")


def test_columns_keep_their_names_and_types_whatever_these_are(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    labs = spark.sql(
        "SELECT 'P1' AS Patient, date'2011-04-23' AS COLLECTED, 'ALT' AS analyte, 50 AS value,"
        " 'U/L' AS unit, null AS lln, 40.0D AS uln, 'x' AS `lab.name`, 'y' AS `a``b`, 3 AS Grade,"
        " array(1, 2) AS list, map('k', 1.5BD) AS map, timestamp'2011-04-23 00:30:00' AS loaded"
    )
    (row,) = grade(labs).collect()
    (given,) = labs.collect()
    added = [*FILE_COLUMNS]
    kept = [{"Grade": "in_Grade"}.get(name, name) for name in labs.columns]
    assert row.__fields__ == [*kept, *added]
    assert tuple(row)[: len(given)] == tuple(given)
    assert (row["grade"], row["edition"]) == (1, "4.03")


def test_a_column_that_spark_cannot_hand_over_is_refused(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    labs = spark.createDataFrame([_ROW]).selectExpr("*", "interval '1' year AS since")
    with pytest.raises(FileError, match="labs: the column since is interval year"):
        grade(labs)


def test_patients_are_compared_as_texts(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    labs = spark.createDataFrame([_ROW]).selectExpr("*").withColumn("patient", _number(7))
    dates = [("7", "2011-01-24", "2011-03-09"), ("007", "2012-01-24", None), ("A7", None, None)]
    (row,) = grade(labs, spark.createDataFrame(dates, _DATES)).collect()
    assert (row["patient"], row["phase"]) == (7, "acute")


def _number(number: int) -> Any:
    from pyspark.sql.functions import lit  # noqa: PLC0415

    return lit(number).cast("bigint")


@pytest.mark.parametrize("window", ["end+3m", read_window("end+3m"), "paper"])
def test_windows_and_interpretations_are_chosen(spark: "SparkSession", window: Any) -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    potassium = {"analyte": "potassium", "value": "3.2", "unit": "mmol/L", "lln": "3.5",
                 "uln": ""}  # fmt: skip
    labs = spark.createDataFrame([_ROW | potassium | {"collected": "2011-06-09"}])
    patients = spark.createDataFrame([("P1", "2011-01-24", "2011-03-09")], _DATES)
    for choice in ("grade-1", "grade-2"):
        found = grade(labs, patients, window=window, interpretations={"hypokalemia": choice})
        rows = [row for row in found.collect() if row["term"] == "Hypokalemia"]
        assert [(r["grade"], r["phase"]) for r in rows] == [(int(choice[-1]), "acute")]


def test_rows_without_a_patient_are_dealt_over_the_tasks(spark: "SparkSession") -> None:
    from pyspark.sql.functions import spark_partition_id  # noqa: PLC0415

    from toxgrade.exports.spark import grade  # noqa: PLC0415

    spark.conf.set("spark.sql.adaptive.enabled", "false")
    rows: list[dict[str, str | None]] = [
        {**_ROW, "patient": None if n % 3 else "", "value": str(n)} for n in range(300)
    ]
    labs = spark.createDataFrame(rows, ", ".join(f"{name} string" for name in _ROW))
    tasks = grade(labs).groupBy(spark_partition_id()).count().collect()
    spark.conf.unset("spark.sql.adaptive.enabled")
    assert len(tasks) == 3
    assert all(rows >= 60 for _, rows in tasks)


def test_which_of_equal_rows_is_the_baseline_depends_on_no_partition(spark: "SparkSession") -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    rows = [_ROW | {"patient": f"P{n % 7}", "collected": "2011-01-20", "note": f"n{n}"}
            for n in range(60)]  # fmt: skip
    patients = spark.createDataFrame([(f"P{n}", "2011-01-24", None) for n in range(7)], _DATES)

    def chosen(labs: Any) -> set[str]:
        found = grade(labs, patients).filter("phase = 'baseline'").collect()
        return {row["note"] for row in found}

    first = chosen(spark.createDataFrame(rows).repartition(1))
    assert len(first) == 7
    assert chosen(spark.createDataFrame(rows[::-1]).repartition(5)) == first
