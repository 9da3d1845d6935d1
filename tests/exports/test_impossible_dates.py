"""Files: a row dated after death is refused; a date decades from radiotherapy is no follow-up."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toxgrade
from toxgrade.cli.run_summary import print_report
from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest, RunSummary
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(load(only="4.03"))
_LABS = "patient,collected,analyte,value,unit,lln,uln,status\n"
_OWN = "patient,rt_start,rt_end,died\n"
_DM = "USUBJID,RFSTDTC,RFENDTC,DTHDTC\n"


def _grade(folder: Path, labs: str, patients: str) -> tuple[pl.DataFrame, RunSummary]:
    (folder / "labs.csv").write_text(_LABS + labs)
    (folder / "patients.csv").write_text(patients)
    request = GradeFileRequest(
        (str(folder / "labs.csv"),), folder / "out.csv", Rules(), folder / "patients.csv",
        rejects=folder / "rejects.csv", worst=folder / "worst.csv", table=folder / "table.json",
    )  # fmt: skip
    report = grade_file(request, _GRADERS)
    return pl.read_csv(folder / "out.csv", infer_schema=False), report


@pytest.mark.parametrize(
    ("patients", "collected", "status", "reason"),
    [
        (_OWN + "P1,2020-01-06,2020-02-14,2020-03-20\n", "2020-03-20", "", None),
        (_OWN + "P1,2020-01-06,2020-02-14,2020-03-20\n", "2020-03-21", "", "after-death"),
        (_OWN + "P1,2020-01-06,2020-02-14,2020-03-20\n", "2020-03", "", None),
        (_OWN + "P1,2020-01-06,2020-02-14,2020-03-20\n", "2020-03-21", "cancelled", "not-final"),
        (_OWN + "P1,2020-01-06,2020-02-14,\n", "2020-03-21", "", None),
        (_DM + "P1,2020-01-06,2020-02-14,2020-03-20\n", "2020-03-21", "", "after-death"),
        (_DM + "P1,2020-01-06,2020-02-14,2020-03-20T07:15\n", "2020-03-21", "", "after-death"),
        (_DM + "P1,2020-01-06,2020-02-14,2020-03\n", "2020-03-31", "", None),  # that month
        (_DM + "P1,2020-01-06,2020-02-14,2020-03\n", "2020-04-01", "", "after-death"),
        (_DM + "P1,2020-01-06,2020-02-14,\nP2,2020-01-06,,2020-03-20\n", "2020-03-21", "", None),
    ],
)
def test_a_row_after_death_is_refused(
    tmp_path: Path, patients: str, collected: str, status: str, reason: str | None
) -> None:
    labs = f"P1,2020-01-03,ALT,30,U/L,,40,\nP1,{collected},ALT,300,U/L,,40,{status}\n"
    graded, report = _grade(tmp_path, labs, patients)
    row = graded.row(1, named=True)
    assert row["reason"] == reason
    assert row["grade"] == (None if reason else "3")
    rejects = pl.read_csv(tmp_path / "rejects.csv", infer_schema=False)
    listed = rejects.select("line", "column", "reason").rows()
    assert listed == ([("3", "collected", "after-death")] if reason == "after-death" else [])
    assert (report.after_death, report.rejected) == (len(listed), len(listed))
    worst = pl.read_csv(tmp_path / "worst.csv").row(0, named=True)
    assert worst["worst_acute"] == (None if reason else 3)


def test_a_result_after_death_is_no_baseline(tmp_path: Path) -> None:
    """The dates contradict each other: what cannot be is not compared with."""
    labs = "P1,2020-01-02,ALT,30,U/L,,40,\nP1,2020-01-05,ALT,300,U/L,,40,\n"
    graded, _ = _grade(tmp_path, labs, _OWN + "P1,2020-01-06,,2020-01-03\n")
    assert graded["phase"].to_list() == ["baseline", "unknown"]


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (_DM + "P1,2020-01-06,2020-02-14,lost\n",
         "column DTHDTC of patients.csv, line 2: expected"),
        (_DM + "P1,2020-01-06,,2020-03-20\nP1,2020-01-06,,2020-03-21\n",
         "line 3: other RFSTDTC, RFENDTC, DTHDTC than before for this patient"),
    ],
)  # fmt: skip
def test_a_death_that_cannot_be_read_stops_the_run(
    tmp_path: Path, patients: str, message: str
) -> None:
    with pytest.raises(FileError) as refused:
        _grade(tmp_path, "P1,2020-01-03,ALT,30,U/L,,40,\n", patients)
    assert message in str(refused.value)
    assert "lost" not in str(refused.value)


def test_an_unlikely_date_is_graded_and_is_no_follow_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The acute window ends on 2020-05-14; only the slip of the keyboard is dated later."""
    labs = "P1,2020-01-03,ALT,30,U/L,,40,\nP1,2099-03-02,ALT,300,U/L,,40,\n"
    graded, report = _grade(tmp_path, labs, _OWN + "P1,2020-01-06,2020-02-14,\n")
    assert graded.select("grade", "flags").row(1) == ("3", "unlikely-date")
    table: dict[str, Any] = json.loads((tmp_path / "table.json").read_text())
    assert table["window_incomplete"] == ["P1"]
    print_report(report, _GRADERS.criteria, None)
    assert "more than 20 years from radiotherapy, graded, but no sign of follow-up: 1" in (
        capsys.readouterr().err
    )


def test_a_frame_as_a_file() -> None:
    labs = pl.DataFrame(
        {"patient": ["P1", "P1"], "collected": ["2020-03-20", "2020-03-21"], "analyte": "ALT",
         "value": 300, "unit": "U/L", "lln": None, "uln": 40}
    )  # fmt: skip
    patients = pl.DataFrame(
        {"patient": ["P1"], "rt_start": [date(2020, 1, 6)], "rt_end": [None],
         "died": [date(2020, 3, 20)]}
    )  # fmt: skip
    graded = toxgrade.grade(labs, patients)
    assert graded.select("grade", "reason").rows() == [(3, None), (None, "after-death")]
