"""Side files and options of grading: worst grades, toxicity table, ADaM's names, baselines."""

import json
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

import toxgrade.demo
from tests.conftest import NewDatabase
from tests.grading import strategies
from tests.grading.columns.test_patient import COURSES, Rows
from toxgrade.cohort.definition import Scope
from toxgrade.criteria.reader import load
from toxgrade.demo import load_demo
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.parse import COLUMNS
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.study_reports import study_table
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
    with transaction(url) as opened:
        study = find_study(opened.read(), "demo")
        stored = study_table(opened.read(), study, _GRADERS, Scope(phase))
    assert _counts(json.loads((tmp_path / "table.json").read_text())) == _counts(
        to_builtins(stored)
    )
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


_UNPLACED = """patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
SYN1,2024-01-02,PLAT,210,10^9/L,150,400,2024-01-10,2024-02-20
SYN1,2024-02-01,PLAT,90,10^9/L,150,400,2024-01-10,2024-02-20
SYN1,2024-05,PLAT,20,10^9/L,150,400,2024-01-10,2024-02-20
SYN2,2024-01-02,PLAT,210,10^9/L,150,400,2024-01-10,2024-02-20
SYN2,2024-02-01,PLAT,90,10^9/L,150,400,2024-01-10,2024-02-20
SYN2,2024,PLAT,20,10^9/L,150,400,2024-01-10,2024-02-20
SYN3,2024-01-02,PLAT,210,10^9/L,150,400,2024-01-10,2024-02-20
SYN3,,PLAT,20,10^9/L,150,400,2024-01-10,2024-02-20
SYN4,2024-01-02,PLAT,210,10^9/L,150,400,2024-01-10,
SYN4,2024-09-01,PLAT,20,10^9/L,150,400,2024-01-10,
SYN5,2024-02-01,PLAT,20,10^9/L,150,400,,
"""
"""A platelet count of 20 is grade 4, one of 90 grade 1. Their phase: to the month that ends the
acute window, to the year, undated, after the start of a course without an end, without a course."""


def _table(folder: Path, labs: str, phase: Any) -> dict[str, Any]:
    (folder / "labs.csv").write_text(labs)
    request = GradeFileRequest(
        (str(folder / "labs.csv"),), folder / "graded.csv", Rules(),
        worst=folder / "worst.csv", table=folder / "table.json", phase=phase,
    )  # fmt: skip
    grade_file(request, _GRADERS)
    document: dict[str, Any] = json.loads((folder / "table.json").read_text())
    return document


@pytest.mark.parametrize(
    ("phase", "by_grade", "undecided", "could_be_higher"),
    [
        ("acute", {"1": ["SYN1", "SYN2"]}, ["SYN3", "SYN4"], ["SYN1", "SYN2"]),
        ("late", {}, ["SYN1", "SYN2", "SYN3", "SYN4"], []),
        ("both", {"1": ["SYN2"], "4": ["SYN1", "SYN4"]}, ["SYN3"], ["SYN2"]),
    ],
)
def test_a_grade_of_unknown_phase_is_possible_in_the_table(
    tmp_path: Path, phase: Any, by_grade: dict[str, list[str]], undecided: list[str],
    could_be_higher: list[str],
) -> None:  # fmt: skip
    table = _table(tmp_path, _UNPLACED, phase)
    (row,) = (row for row in table["rows"] if row["label"] == "Thrombocytopenia")
    found = row["patients"]
    assert {grade: who for grade, who in found["by_grade"].items() if who} == by_grade
    assert (found["undecided"], found["could_be_higher"]) == (undecided, could_be_higher)
    assert table["n_patients"] == 4
    assert table["phase_unknown"] == {
        "n": 4, "date_too_coarse": 2, "no_date": 1, "no_end_of_treatment": 1,
    }  # fmt: skip
    assert table["without_course"] == {"n": 1, "patients": ["SYN5"]}
    assert table["not_collected"] == ["Nausea", "Liver pain", "Fatigue"]


def test_worst_grades_keep_a_patient_without_a_course(tmp_path: Path) -> None:
    _table(tmp_path, _UNPLACED, "acute")
    worst = pl.read_csv(tmp_path / "worst.csv").select(
        "patient", "worst_acute", "worst_acute_at_most", "worst_late", "worst_late_at_most"
    )
    assert worst.rows() == [
        ("SYN1", 1, 4, None, 4),
        ("SYN2", 1, 4, None, 4),
        ("SYN3", None, 4, None, 4),
        ("SYN4", None, 4, None, 4),
        ("SYN5", None, 4, None, 4),
    ]


@settings(max_examples=25, deadline=None)
@given(
    rows=strategies.exports(),
    course=st.sampled_from(COURSES),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    phase=st.sampled_from(["acute", "late", "both"]),
    seed=st.integers(),
    files=st.integers(1, 3),
)
def test_neither_order_nor_the_splitting_into_files_changes_worst_grades_and_table(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, course: tuple[date | None, date | None],
    edition: str, phase: Any, seed: int, files: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("files")
    chance = Random(seed)
    texts = []
    for parts, given_rows in ((1, list(rows)), (files, chance.sample(list(rows), len(rows)))):
        labs = [folder / f"labs-{parts}-{number}.csv" for number in range(parts)]
        frame = pl.DataFrame(given_rows, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
            rt_start=pl.lit(course[0], pl.Date), rt_end=pl.lit(course[1], pl.Date)
        )
        cuts = sorted(chance.randrange(len(rows) + 1) for _ in range(parts - 1))
        for path, first, last in zip(labs, [0, *cuts], [*cuts, len(rows)], strict=True):
            frame[first:last].write_csv(path)
        request = GradeFileRequest(
            tuple(map(str, labs)), folder / "graded.csv", Rules(edition=edition),
            worst=folder / "worst.csv", table=folder / "table.json", phase=phase,
        )  # fmt: skip
        grade_file(request, _GRADERS)
        texts.append([(folder / name).read_text() for name in ("worst.csv", "table.json")])
    assert texts[0] == texts[1]
