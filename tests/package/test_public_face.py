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
    assert toxgrade.__all__ == [
        "Flag", "Grader", "Reason", "ToxgradeError", "ValueGrade", "Window", "__version__", "grade",
    ]  # fmt: skip
    for name in toxgrade.__all__:
        assert getattr(toxgrade, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'grader'"):
        getattr(toxgrade, "grader")  # noqa: B009 - the name is what is tested


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import toxgrade", set()),
        ("import toxgrade; toxgrade.Grader().grade('ALT', 31)", set()),
        ("import toxgrade; toxgrade.grade", {"polars"}),
    ],
)
def test_a_name_imports_only_what_it_needs(code: str, heavy: set[str]) -> None:
    assert _loaded_by(code) == heavy


def test_values_as_callers_write_them() -> None:
    grader = toxgrade.Grader()
    for value in ("1.8", 1.8, Decimal("1.8")):
        (grade,) = grader.grade("TBIL", value, "mg/dL", uln=1.2)
        assert (grade.term, grade.grade) == ("Blood bilirubin increased", 1)
        assert grade.criterion == ">ULN - 1.5 x ULN"
    (grade,) = grader.grade("ALT", "<50", "U/L", uln="40")
    assert (grade.grade, grade.at_least, grade.at_most) == (None, 0, 1)
    assert grade.reason is toxgrade.Reason.CENSORED_VALUE
    assert [found.term for found in grader.grade("WBC", 2.8, "K/uL", lln=4)] == [
        "White blood cell decreased", "Leukocytosis",
    ]  # fmt: skip
    (unknown,) = grader.grade("no such thing", 1)
    assert (unknown.term, unknown.reason) == (None, "unknown-analyte")


def test_a_baseline_decides_in_a_later_edition() -> None:
    grader = toxgrade.Grader("5.0")
    (alone,) = grader.grade("ALT", 160, "U/L", uln=40)
    (compared,) = grader.grade("ALT", 160, "U/L", uln=40, baseline=80)
    assert alone.reason == "missing-baseline"
    assert compared.grade == 1


@pytest.mark.parametrize("value", ["1,8", "high", -1, True, float("nan")])
def test_what_is_no_number_is_refused(value: str | float) -> None:
    with pytest.raises(toxgrade.ToxgradeError, match="expected a number of zero or more"):
        toxgrade.Grader().grade("TBIL", value, "mg/dL")


def test_an_unknown_edition_is_refused() -> None:
    with pytest.raises(toxgrade.ToxgradeError, match=r"4\.03"):
        toxgrade.Grader("3.0")


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
