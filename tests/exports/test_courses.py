"""Files and frames: patients with several courses, and treatment that is still in progress."""

import json
from pathlib import Path

import polars as pl
import pytest

import toxgrade
from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(load(only="4.03"))
_HEADER = "patient,rt_course,rt_start,rt_end,rt_status\n"
# P1 is treated twice, P2 still is, P3 once. ALT 30 is grade 0, 50 grade 1, 130 grade 2.
_PATIENTS = _HEADER + (
    "P1,2,2012-03-05,2012-04-13,completed\n"
    "P1,1,2011-01-24,2011-03-09,\n"
    "P2,1,2011-01-24,,in-progress\n"
    "P3,,2011-01-24,2011-03-09,\n"
)
_RESULTS = [
    # patient, collected, ALT -> grade, phase, course, baseline, worse
    (("P1", "2011-01-20", "30"), (0, "baseline", 1, 0, False)),
    (("P1", "2011-02-20", "130"), (2, "acute", 1, 0, True)),
    (("P1", "2012-02-20", "50"), (1, "late", 1, 0, True)),
    (("P1", "2012-03-20", "50"), (1, "acute", 2, 1, False)),  # The last before the second course.
    (("P1", "2012-08-20", "130"), (2, "late", 2, 1, True)),
    (("P1", "2012", "130"), (2, "unknown", 1, 0, True)),
    (("P2", "2011-01-20", "30"), (0, "baseline", 1, 0, False)),
    (("P2", "2013-01-20", "50"), (1, "acute", 1, 0, True)),
    (("P3", "2011-02-20", "50"), (1, "acute", 1, None, None)),
    (("P4", "2011-02-20", "50"), (1, "unknown", None, None, None)),
]
_LABS = "patient,collected,analyte,value,unit,lln,uln\n" + "".join(
    f"{patient},{day},ALT,{value},U/L,,40\n" for (patient, day, value), _ in _RESULTS
)
_TOLD = ["grade", "phase", "course", "baseline_grade", "worse_than_baseline"]


def _request(folder: Path, patients: str, **more: object) -> GradeFileRequest:
    (folder / "labs.csv").write_text(_LABS)
    (folder / "patients.csv").write_text(patients)
    paths = (str(folder / "labs.csv"),), folder / "out.parquet", Rules(), folder / "patients.csv"
    return GradeFileRequest(*paths, **more)  # type: ignore[arg-type]


def test_each_result_is_graded_by_its_own_course(tmp_path: Path) -> None:
    grade_file(_request(tmp_path, _PATIENTS), _GRADERS)
    graded = pl.read_parquet(tmp_path / "out.parquet")
    found = graded.with_columns(pl.col("phase").cast(pl.String)).select(_TOLD).rows()
    assert found == [expected for _, expected in _RESULTS]
    assert graded.columns[-2:] == ["edition", "course"]


def test_a_frame_gets_what_a_file_gets(tmp_path: Path) -> None:
    grade_file(_request(tmp_path, _PATIENTS), _GRADERS)
    labs, patients = (
        pl.read_csv(tmp_path / name, infer_schema=False) for name in ("labs.csv", "patients.csv")
    )
    graded = toxgrade.grade(labs, patients).select(_TOLD)
    assert graded.cast(pl.String).equals(
        pl.read_parquet(tmp_path / "out.parquet").select(_TOLD).cast(pl.String)
    )


def test_worst_grades_and_table_are_of_the_first_course(tmp_path: Path) -> None:
    beside = {"worst": tmp_path / "worst.csv", "table": tmp_path / "table.json"}
    grade_file(_request(tmp_path, _PATIENTS, **beside), _GRADERS)
    worst = pl.read_csv(tmp_path / "worst.csv", infer_schema=False)
    told = worst.select("patient", "worst_acute", "worst_late", "worst_late_at_most").rows()
    assert told == [
        ("P1", "2", "1", "2"), ("P2", "1", None, None), ("P3", "1", None, None),
        ("P4", None, None, "1"),
    ]  # fmt: skip
    table = json.loads((tmp_path / "table.json").read_text())
    assert table["n_patients"] == 3


def test_without_numbers_and_statuses_the_file_is_as_it_was(tmp_path: Path) -> None:
    plain = "patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n"
    grade_file(_request(tmp_path, plain), _GRADERS)
    assert "course" not in pl.read_parquet(tmp_path / "out.parquet").columns


_ORDER = (
    "expected the courses of a patient as 1, 2, … in rt_course by their starts, at most 20 and each"
    " with a start, and one day of death"
)


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (_HEADER + "P1,1,2012-01-24,,\nP1,2,2011-01-24,,\n", f"line 2: {_ORDER}"),
        (_HEADER + "P1,1,2011-01-24,,\nP1,3,2012-01-24,,\n", f"line 3: {_ORDER}"),
        (_HEADER + "P1,1,2011-01-24,,\nP1,2,,2012-01-24,\n", f"line 3: {_ORDER}"),
        (_HEADER + "P1,1,2011-01-24,,\nP1,2,2011-01-24,2012-01-24,\n", f"line 2: {_ORDER}"),
        (_HEADER + "P1,2,2011-01-24,,\n", f"line 2: {_ORDER}"),
        (_HEADER + "P1,first,2011-01-24,,\n", f"line 2: {_ORDER}"),
        (_HEADER + "P1,1,2011-01-24,,\nP1,,2012-01-24,,\n", f"line 3: {_ORDER}"),
        (
            "patient,rt_course,rt_start,rt_end,died\nP1,1,2011-01-24,,2013-01-01\n"
            "P1,2,2012-01-24,,\n",
            f"line 2: {_ORDER}",
        ),
        (
            _HEADER + "P1,1,2011-01-24,2011-03-09,in-progress\n",
            "column rt_end of patients.csv, line 2: expected nothing, as rt_status says",
        ),
        (
            _HEADER + "P1,1,2011-01-24,,ongoing\n",
            "column rt_status of patients.csv, line 2: expected in-progress, completed, or nothing",
        ),
        (
            "patient,rt_start,rt_end\nP1,2011-01-24,\nP1,2012-01-24,\n",
            "line 3: other rt_start, rt_end than before for this patient",
        ),
    ],
)
def test_courses_that_contradict_each_other_stop_the_work(
    tmp_path: Path, patients: str, message: str
) -> None:
    with pytest.raises(FileError) as refused:
        grade_file(_request(tmp_path, patients), _GRADERS)
    assert message in str(refused.value)
    assert not (tmp_path / "out.parquet").exists()
