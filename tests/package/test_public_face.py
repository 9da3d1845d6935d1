"""The names that ``import toxgrade`` promises, and what importing them costs."""

import subprocess
import sys
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

import toxgrade

_HEAVY = {"polars", "sqlalchemy", "pydantic", "fastapi", "jinja2"}


def _loaded_by(code: str) -> set[str]:
    """Return which of the heavy packages a fresh interpreter has imported after ``code``."""
    check = f"{code}\nimport sys\nprint(*({_HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names() -> None:
    assert sorted(toxgrade.__all__) == [
        "Collected", "Course", "Flag", "Grade", "Grader", "LabResult", "PatientGrade", "Reason",
        "Reported", "ToxgradeError", "Window", "__version__", "grade", "grade_patient",
    ]  # fmt: skip
    for name in toxgrade.__all__:
        assert getattr(toxgrade, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'grader'"):
        getattr(toxgrade, "grader")  # noqa: B009 - the name is what is tested


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import toxgrade", set()),
        ("import toxgrade; toxgrade.Grader.load(); toxgrade.grade_patient", set()),
        ("import toxgrade; toxgrade.grade", {"polars"}),
    ],
)
def test_a_name_imports_only_what_it_needs(code: str, heavy: set[str]) -> None:
    assert _loaded_by(code) == heavy


def test_one_result() -> None:
    result = toxgrade.LabResult(
        "TBIL", toxgrade.Reported(Decimal("1.8")), "mg/dL", uln=Decimal("1.2")
    )
    grader = toxgrade.Grader.load()
    (term,) = grader.terms("TBIL")
    grade = grader.grade(result, term, None)
    assert (grade.grade, grade.criterion) == (1, ">ULN - 1.5 x ULN")
    with pytest.raises(toxgrade.ToxgradeError, match=r"4\.03"):
        toxgrade.Grader.load("3.0")


def test_a_frame_of_numbers_and_dates() -> None:
    day = date(2011, 4, 23)
    labs = pl.DataFrame(
        {"patient": "P1", "collected": day, "analyte": "ALT", "value": 121, "unit": "U/L",
         "lln": None, "uln": 40, "flags": "H"}
    )  # fmt: skip
    dates = pl.DataFrame(
        {"patient": "P1", "rt_start": date(2011, 1, 24), "rt_end": date(2011, 3, 9)}
    )
    graded = toxgrade.grade(labs, dates, window="end+3m")
    assert graded.select("in_flags", "grade", "phase").row(0) == ("H", 2, "acute")
    assert toxgrade.grade(labs, dates, window="end+1m")["phase"].to_list() == ["late"]
    assert toxgrade.grade(labs)["phase"].to_list() == ["unknown"]
    with pytest.raises(toxgrade.ToxgradeError, match="expected paper"):
        toxgrade.grade(labs, window="whenever")
