"""Two graders who differ in one thing, changed on purpose: ``compare`` names that thing."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.exports.compared_files import GRADERS, KEYS, grade_labs
from toxgrade.exports.compare_adlb import compare
from toxgrade.grading.rules import Rules

_PANEL = {
    "ALT": ("U/L", 5, 40, 10, 400, 0), "BILI": ("mg/dL", 0.2, 1.2, 0.2, 6, 2),
    "CREAT": ("mg/dL", 0.6, 1.3, 0.5, 5, 2), "HGB": ("g/dL", 12, 16, 6, 17, 1),
    "LYM": ("10^9/L", 0.8, 3, 0.1, 4, 2), "INR": ("", 0.8, 1.2, 0.9, 3.5, 1),
    "NA": ("mmol/L", 135, 145, 118, 160, 0), "ALP": ("U/L", 30, 120, 30, 800, 0),
}  # fmt: skip
"""Unit, LLN, ULN, lowest and highest value, and decimals of some tests."""
_DAYS = ("2023-12-20", "2024-01-05", "2024-02-01", "2024-03-02", "2024-08-01")

Change = Callable[[pl.DataFrame], pl.DataFrame]


def made_up_labs(seed: int) -> pl.DataFrame:
    """Return SYNTHETIC results of 15 patients: two days before radiotherapy and three after."""
    chance = random.Random(seed)
    rows = [
        (f"P{patient}", day, test, f"{chance.uniform(low, high):.{digits}f}", unit, lln, uln)
        for patient in range(15)
        for day in _DAYS
        for test, (unit, lln, uln, low, high, digits) in _PANEL.items()
    ]
    columns = ["patient", "collected", "analyte", "value", "unit", "lln", "uln"]
    labs = pl.DataFrame(rows, schema=columns, orient="row")
    return labs.with_columns(
        pl.col("lln", "uln").cast(pl.String),
        rt_start=pl.lit("2024-01-10"),
        rt_end=pl.lit("2024-02-20"),
        baseline=pl.lit(None, pl.String),
    )


def their_file(folder: Path, labs: pl.DataFrame, edition: str) -> pl.DataFrame:
    """Return the ADLB of a grader who grades ``labs``, one row for each result."""
    rules = Rules(edition=edition, implausible="flag")
    graded = grade_labs(folder, labs.write_csv(), rules, output="graded.csv", names="adam")
    grades = pl.read_csv(graded, infer_schema=False)
    result = ["USUBJID", "ADTC", "PARAMCD"]
    sides = grades.group_by(result, maintain_order=True).agg(
        pl.col("AVALC", "AVALU", "ANRLO", "ANRHI").first(),
        pl.col("ATOXGRL", "ATOXGRH").drop_nulls().first(),
        ABLFL=pl.col("ABLFL").drop_nulls().first(),
        ATOXDSCL=pl.col("ATOXDSC").filter(pl.col("ATOXGRL").is_not_null()).first(),
    )
    base = sides.filter(pl.col("ABLFL") == "Y").select("USUBJID", "PARAMCD", BASE="AVALC")
    found = sides.join(base, on=["USUBJID", "PARAMCD"], how="left").drop("ABLFL")
    return found.rename({"ADTC": "ADT", "AVALC": "AVAL"})


def same(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def first_day_as_baseline(labs: pl.DataFrame) -> pl.DataFrame:
    first = pl.when(pl.col("collected") == _DAYS[0]).then(pl.lit("Y"))
    return labs.with_columns(baseline=first)


def wider_range(labs: pl.DataFrame) -> pl.DataFrame:
    return labs.with_columns(
        lln=(pl.col("lln").cast(pl.Float64) * 0.8).round(2).cast(pl.String),
        uln=(pl.col("uln").cast(pl.Float64) * 1.3).round(2).cast(pl.String),
    )


def wrong_units(labs: pl.DataFrame) -> pl.DataFrame:
    wrong = {"BILI": "umol/L", "CREAT": "mg/L", "HGB": "mmol/L"}
    named = pl.col("analyte").replace_strict(wrong, default=None)
    return labs.with_columns(unit=pl.coalesce(named, "unit"))


def fewer_digits(labs: pl.DataFrame) -> pl.DataFrame:
    number = pl.col("value").cast(pl.Float64)
    tests = {"BILI": 1, "CREAT": 1, "HGB": 0, "LYM": 1, "INR": 0}
    rounded = [
        pl.when(pl.col("analyte") == test).then(number.round(digits).cast(pl.String))
        for test, digits in tests.items()
    ]
    return labs.with_columns(value=pl.coalesce(*rounded, "value"))


def in_si_units(labs: pl.DataFrame) -> pl.DataFrame:
    """Return bilirubin and creatinine in whole umol/L, as many laboratories report them."""
    factors = {"BILI": 17.1, "CREAT": 88.4}
    factor = pl.col("analyte").replace_strict(factors, default=None)
    numbers = {
        name: pl.coalesce((pl.col(name).cast(pl.Float64) * factor).round(0).cast(pl.String), name)
        for name in ("value", "lln", "uln")
    }
    unit = pl.when(factor.is_not_null()).then(pl.lit("umol/L")).otherwise("unit")
    return labs.with_columns(unit=unit, **numbers)


def lymphocytes_as_cd4(labs: pl.DataFrame) -> pl.DataFrame:
    return labs.with_columns(pl.col("analyte").replace("LYM", "CD4"))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("edition", ["4.03", "5.0"])
@pytest.mark.parametrize(
    ("cause", "change", "their_edition"),
    [
        ("edition", same, "4.03"),
        ("edition", same, "5.0"),
        ("baseline", first_day_as_baseline, None),
        ("range", wider_range, None),
        ("unit", wrong_units, None),
        ("rounding", fewer_digits, None),
        ("rounding", in_si_units, None),
        ("term", lymphocytes_as_cd4, None),
    ],
)
def test_the_cause_is_what_was_changed(
    tmp_path: Path, cause: str, change: Change, their_edition: str | None, edition: str, seed: int
) -> None:
    labs = made_up_labs(seed)
    ours = grade_labs(tmp_path, labs.write_csv(), Rules(edition=edition))
    theirs = their_file(tmp_path, change(labs), their_edition or edition)
    theirs = theirs.with_columns(pl.col("PARAMCD").replace("CD4", "LYM"))
    theirs.write_csv(tmp_path / "theirs.csv")
    found = compare(ours, tmp_path / "theirs.csv", KEYS, GRADERS)
    differences = found.differences.filter(~pl.col("cause").str.starts_with("only"))
    if their_edition == edition:
        assert differences.is_empty()
        return
    assert differences["cause"].unique().to_list() == [cause]
