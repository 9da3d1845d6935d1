"""Rows of any type, in any order, get inside Spark what ``toxgrade grade`` gives a file of them."""

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.server.jobs.stored import GRADERS
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("pyspark")
pytestmark = pytest.mark.filterwarnings("ignore")  # Spark's own

Graded = Counter[tuple[str | None, ...]]
_KINDS = ["text", "date", "timestamp_ntz", *(f"timestamp {zone}" for zone in (
    "UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"))]  # fmt: skip


@pytest.fixture(scope="module")
def by_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame, Graded]:
    """Return rows in which many baselines tie, treatment dates, and what a file of them gives."""
    folder, chance = tmp_path_factory.mktemp("cli"), Random(1)
    values = {
        "creatinine": ["1.0", "<1.0", "1.00", ">1.0", "1.6", "2.1", "x"],
        "ALT": ["30", "30.0", "<=30", "121", "300", "29.999999999999996"],
        "albumin": ["4.15", ">4.15", "3", "1.9"],
    }
    units = {"creatinine": "mg/dL", "ALT": "U/L", "albumin": "g/dL"}
    days = ["2011-01-20", "2011-01-24", "2011-01-25", "2011-03-09", "2011-06-09", "2011-06-10", ""]
    rows = [
        {"patient": chance.choice(["P1", "P2", "P3", "007", "7", ""]),
         "collected": chance.choice(days), "analyte": analyte,
         "value": chance.choice(values[analyte]), "unit": units[analyte], "lln": "",
         "uln": chance.choice(["1.2", "40", "40.0", ""]),
         "status": chance.choice(["final", "cancelled", "corrected"]),
         "specimen": chance.choice(["", "", "serum", "URINE"]),
         "indicator": chance.choice(["", "N", "H", "L"])}
        for analyte in chance.choices(list(values), k=700)
    ]  # fmt: skip
    labs = pl.DataFrame(rows)
    patients = pl.DataFrame(
        [("P1", "2011-01-24", "2011-03-09"), ("P2", "2011-01-25", None), ("7", "2011-01-24", None),
         ("P9", None, None)], schema=["patient", "rt_start", "rt_end"], orient="row",
    )  # fmt: skip
    labs.write_csv(folder / "labs.csv")
    patients.write_csv(folder / "patients.csv")
    request = GradeFileRequest(
        (str(folder / "labs.csv"),), folder / "out.parquet", Rules(edition="5.0"),
        folder / "patients.csv",
    )  # fmt: skip
    grade_file(request, GRADERS)
    return labs, patients, _counted(pl.read_parquet(folder / "out.parquet").drop("row"))


def _counted(graded: pl.DataFrame) -> Graded:
    """Return how often each row occurs: rows have no order in Spark."""
    texts = graded.with_columns(pl.all().cast(pl.String).replace("", None))
    return Counter(texts.with_columns(pl.col("collected").str.head(10)).rows())


@pytest.mark.parametrize("kind", _KINDS)
def test_the_same_rows_of_any_type_in_any_order_get_the_grades_of_a_file(
    spark: "SparkSession", by_file: tuple[pl.DataFrame, pl.DataFrame, Graded], kind: str
) -> None:
    from toxgrade.exports.spark import grade  # noqa: PLC0415

    labs, patients, expected = by_file
    kind, _, zone = kind.partition(" ")
    spark.conf.set("spark.sql.session.timeZone", zone or "UTC")
    shuffled = labs.sample(fraction=1, shuffle=True, seed=_KINDS.index(f"{kind} {zone}".strip()))

    def typed(frame: pl.DataFrame, *dates: str) -> Any:
        given = spark.createDataFrame(frame.to_arrow())
        if kind == "text":
            return given
        texts = {name: f"cast(nullif({name}, '') AS {kind}) AS {name}" for name in dates}
        return given.selectExpr(*(texts.get(name, name) for name in frame.columns))

    graded = grade(
        typed(shuffled, "collected").repartition(3), typed(patients, "rt_start", "rt_end"), "5.0"
    )
    found = graded.withColumn("collected", graded["collected"].cast("string")).toArrow()
    assert _counted(pl.DataFrame(pl.from_arrow(found))) == expected
