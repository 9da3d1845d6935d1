"""The evidence: every case of every table, and that a check which should fail does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.left_out import left_out
from toxgrade.cohort.table_report import table_report
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.criteria.reader import load
from toxgrade.errors import CriteriaError
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.rules import Graders
from toxgrade.validation import run
from toxgrade.validation.checks import (
    Case,
    Outcome,
    check_cohort_table,
    check_patients,
    check_table,
    expected,
    graded_as_columns,
    graded_one_by_one,
    tables,
)

_GRADERS = Graders(load())
_TABLES = tables()
_COLUMNS = [
    "edition", "analyte", "value", "unit", "lln", "uln", "limit_unit", "baseline",
    "baseline_unit", "term", "grade", "reason", "why",
]  # fmt: skip


@pytest.mark.parametrize("name", _TABLES)
def test_every_case_comes_out_as_its_table_says(name: str) -> None:
    cases = _TABLES[name]
    assert all(list(case)[: len(_COLUMNS)] == _COLUMNS for case in cases)
    assert check_table(cases, _GRADERS) == []


_CASE: Case = dict.fromkeys(_COLUMNS, "") | {
    "edition": "4.03", "analyte": "ALT", "value": "121", "unit": "U/L", "uln": "40",
    "term": "Alanine aminotransferase increased", "grade": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, None),
        ({"grade": "1"}, "expected grade 1, found grade 2"),
        ({"grade": ""}, "expected no grade, found grade 2"),
        ({"value": "120"}, "expected grade 2, found grade 1"),
        ({"uln": ""}, "expected grade 2, found grade 0-4 missing-uln"),
        ({"term": "GGT increased"}, "found no grade of this term"),
    ],
)
def test_a_wrong_case_fails_in_both_graders(changed: Case, says: str | None) -> None:
    failures = check_table([_CASE, _CASE | changed], _GRADERS)
    assert len(failures) == (2 if says else 0)
    for failure, reading in zip(failures, ("one by one", "as a column"), strict=False):
        assert failure.startswith("line 3, ")
        assert f"{reading}: " in failure
        assert says is not None
        assert says in failure


def test_both_graders_are_run() -> None:
    assert graded_one_by_one(_CASE, _GRADERS) == ("2", "")
    assert graded_as_columns([_CASE], _GRADERS) == [("2", "")]


def test_a_check_that_looked_at_nothing_has_not_passed() -> None:
    assert not Outcome("x", "y", 0).passed
    assert Outcome("x", "y", 1).passed
    assert not Outcome("x", "y", 1, ["z"]).passed


@pytest.fixture(scope="module")
def report() -> run.Report:
    return run.validate()


def test_this_installation_is_valid(report: run.Report) -> None:
    assert [check["name"] for check in report["checks"] if not check["passed"]] == []
    assert report["passed"]
    counted = {check["name"]: check["checked"] for check in report["checks"]}
    assert counted["cohort: toxicity table"] == 11 * 4 + 1
    assert sum(n for name, n in counted.items() if name.startswith("cases: ")) >= 120
    assert report["software"]["dependencies"]["fastapi"]
    assert len(report["software"]["sha256"]["toxgrade/criteria/ctcae_4_03.toml"]) == 64


def test_a_figure_that_differs_is_named() -> None:
    wanted = expected()
    grades = {"P01": {"acute, WBC": 3}}
    patients = {"P01": wanted["per_patient"]["P01"]}
    failures = check_patients(grades, patients).failures
    assert "P01, acute, WBC: expected 4, found 3" in failures
    counted = toxicity_table((), (), Scope(), PRESETS["paper"])
    counted.worse_than_baseline.add("P01", verdict=True)
    table = table_report(counted, "", (), left_out({}, ()))
    assert len(check_cohort_table(table, wanted).failures) == 11 * 4 + 1


def test_a_check_that_cannot_run_has_failed_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(run, "load_demo", fail)
    report = run.validate()
    assert not report["passed"]
    failed = [(c["name"], c["failures"]) for c in report["checks"] if not c["passed"]]
    assert failed == [("scratch database", ["KeyError"])]


def test_the_command_writes_both_reports(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "toxgrade"
    done = subprocess.run(
        [program, "validate", "-o", "file"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    (page,) = (tmp_path / "file").glob("toxgrade-validation-*.html")
    document = json.loads(page.with_suffix(".json").read_text())
    assert document["passed"] is True
    text = page.read_text()
    assert "Every check passed." in text
    assert all(check["name"] in text for check in document["checks"])
    assert "SYNTHETIC" in text
    assert "://" not in text  # nothing is loaded from elsewhere


def test_criteria_that_cannot_be_loaded_are_a_failed_check_in_the_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise CriteriaError("ctcae_4_03.toml: broken")

    monkeypatch.setattr("toxgrade.validation.run.load", fail)
    report = run.validate()
    assert (report["passed"], report["criteria"]) == (False, {})
    assert report["checks"][0]["failures"] == ["ctcae_4_03.toml: broken"]
