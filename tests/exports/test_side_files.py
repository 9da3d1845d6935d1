"""Side files and options of grading: worst grades, toxicity table, ADaM's names, baselines."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toxgrade.demo
from tests.conftest import NewDatabase
from toxgrade.cohort.definition import Scope
from toxgrade.criteria.reader import load
from toxgrade.demo import load_demo
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.db.engine import transaction
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.study_reports import table_document
from toxgrade.tabular.read_options import ReadOptions

_GRADERS = Graders(load())
_LABORATORY = ("Leukopenia", "Thrombocytopenia", "Bilirubin", "Liver enzymes", "Albumin")


def _demo_export(folder: Path) -> tuple[Path, Path]:
    """The synthetic cohort's laboratory rows under our columns, and its treatment dates."""
    package = Path(toxgrade.demo.__file__).parent
    labs = pl.read_csv(package / "labs.csv", infer_schema=False)
    value = pl.concat_str([pl.col("comparator").fill_null(""), pl.col("value")])
    labs.select(
        patient="patient_id", collected="date", analyte="analyte", value=value, unit="unit",
        lln="lln", uln="uln", status="status",
    ).write_csv(folder / "labs.csv")  # fmt: skip
    patients = pl.read_csv(package / "patients.csv", infer_schema=False)
    patients.select(patient="patient_id", rt_start="rt_start", rt_end="rt_end").write_csv(
        folder / "patients.csv"
    )
    return folder / "labs.csv", folder / "patients.csv"


def _counts(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {
        (row["label"], row["kind"]): (row["counts"], row["n_evaluable"])
        for row in document["rows"]
        if row["label"] in _LABORATORY
    }


@pytest.mark.parametrize("phase", ["acute", "late", "both"])
def test_the_table_of_a_file_is_the_stored_study_s(
    new_sqlite: NewDatabase, tmp_path: Path, phase: Any
) -> None:
    labs, patients = _demo_export(tmp_path)
    request = GradeFileRequest(
        (str(labs),), tmp_path / "graded.parquet", Rules(), patients,
        worst=tmp_path / "worst.csv", table=tmp_path / "table.json", phase=phase,
    )  # fmt: skip
    grade_file(request, _GRADERS)
    url = new_sqlite()
    load_demo(url)
    with transaction(url) as connection:
        study = find_study(connection, "demo")
        stored = table_document(connection, study, _GRADERS, Scope(phase))
    assert _counts(json.loads((tmp_path / "table.json").read_text())) == _counts(stored)
    worst = pl.read_csv(tmp_path / "worst.csv")
    assert worst["patient"].n_unique() == 25


_NOTHING_TO_COUNT = """patient,collected,analyte,value,unit,lln,uln,status
P1,2011-04-23,ALT,121,U/L,,40,final
P2,2011-04-23,lead,5,ug/dL,,10,final
P3,2011-04-23,ALT,500,U/L,,40,cancelled
"""


def test_a_patient_of_whom_nothing_counts_is_one_of_all_patients(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(_NOTHING_TO_COUNT)
    dates = "".join(f"P{n},2011-01-24,2011-03-09\n" for n in (1, 2, 3))
    (tmp_path / "patients.csv").write_text("patient,rt_start,rt_end\n" + dates)
    request = GradeFileRequest(
        (str(tmp_path / "labs.csv"),), tmp_path / "graded.parquet", Rules(),
        tmp_path / "patients.csv", table=tmp_path / "table.json",
    )  # fmt: skip
    grade_file(request, _GRADERS)
    table = json.loads((tmp_path / "table.json").read_text())
    (row,) = (r for r in table["rows"] if (r["label"], r["kind"]) == ("Liver enzymes", "worst"))
    assert (table["n_patients"], row["counts"]["2"], row["not_measured"]) == (3, 1, 2)


_SDTM = """USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBDTC,LBBLFL
1,ALT,30,U/L,,40,2011-01-10,Y
1,ALT,90,U/L,,40,2011-01-20,
1,ALT,121,U/L,,40,2011-04-23,
"""
_DM = "USUBJID,RFSTDTC,RFENDTC\n1,2011-01-24,2011-03-09\n"


@pytest.mark.parametrize(("baseline", "grade", "told"), [("flag", 0, ((1, 2),)), (None, 1, ())])
def test_a_declared_baseline_counts_where_asked(
    tmp_path: Path, baseline: Any, grade: int, told: tuple[tuple[int, int], ...]
) -> None:
    """The report has the row declared as baseline, and the row that the date alone would choose."""
    (tmp_path / "lb.csv").write_text(_SDTM)
    (tmp_path / "dm.csv").write_text(_DM)
    request = GradeFileRequest(
        (str(tmp_path / "lb.csv"),), tmp_path / "out.parquet", Rules(), tmp_path / "dm.csv",
        options=ReadOptions(baseline=baseline), names="adam",
    )  # fmt: skip
    report = grade_file(request, _GRADERS)
    found = pl.read_parquet(tmp_path / "out.parquet")
    last = found.row(-1, named=True)
    assert (last["PARAMCD"], last["AVAL"], last["ATOXGRH"], last["ATOXGRL"]) == (
        "ALT", 121.0, 2, None,
    )  # fmt: skip
    assert (last["BTOXGRH"], last["TRTEMFL"]) == (grade, "Y")
    assert report.other_baselines == told
