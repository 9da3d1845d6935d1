"""Files: a study's reference ranges stand in where a row has none, by laboratory, sex and age."""

from pathlib import Path

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(load(only="4.03"))
_LABS = "patient,collected,analyte,value,unit,lln,uln,lab\n"
_PATIENTS = "patient,rt_start,rt_end,sex,birth_year\n"
_RANGES = "analyte,lln,uln,unit,lab,sex,age_from,age_to,valid_from\n"
_ALT = _RANGES + "ALT,,45,U/L,,male,,,\nALT,,34,U/L,,female,,,\nALT,,60,U/L,North,,,,\n"


def _graded(folder: Path, labs: str, patients: str, ranges: str) -> pl.DataFrame:
    files = {"labs.csv": _LABS + labs, "patients.csv": patients, "ranges.csv": ranges}
    for name, content in files.items():
        (folder / name).write_text(content)
    request = GradeFileRequest(
        (str(folder / "labs.csv"),), folder / "out.parquet", Rules(), folder / "patients.csv",
        ranges=folder / "ranges.csv",
    )  # fmt: skip
    grade_file(request, _GRADERS)
    return pl.read_parquet(folder / "out.parquet")


@pytest.mark.parametrize(
    ("person", "value", "uln", "lab", "grade", "flags"),
    [
        ("female,1960", "40", "", "South", 1, "range-from-study"),
        ("F,", "40", "", "South", 1, "range-from-study"),
        ("male,1960", "40", "", "South", 0, "range-from-study"),
        ("M,1960-05-03", "50", "", "South", 1, "range-from-study"),
        ("M,1960-05-03", "50", "", " north ", 0, "range-from-study"),
        ("M,1960", "50", "80", "", 0, None),  # the laboratory's own range goes before
        ("U,1960", "50", "", "South", None, None),  # which of both is not known
        ("M,1960", "50", "", "", None, None),  # nor is it whether North measured this
        (",", "50", "", "North", 0, "range-from-study"),
    ],
)
def test_the_range_that_certainly_applies_is_used(
    tmp_path: Path, person: str, value: str, uln: str, lab: str, grade: int | None, flags: str
) -> None:
    labs = f"P1,2011-02-20,ALT,{value},U/L,,{uln},{lab}\n"
    patients = f"{_PATIENTS}P1,2011-01-24,2011-03-09,{person}\n"
    (found,) = _graded(tmp_path, labs, patients, _ALT).select("grade", "flags").rows()
    assert found == (grade, flags)


def test_ages_and_days_decide(tmp_path: Path) -> None:
    ranges = _RANGES + (
        "albumin,35,,g/L,,,18,60,\nalbumin,30,,g/L,,,61,,\nalbumin,40,,g/L,,,18,,2015-01-01\n"
    )
    patients = _PATIENTS + "young,2011-01-24,,,1980\nold,2011-01-24,,,1940\n"
    labs = "".join(
        f"{patient},{day},albumin,33,g/L,,,\n"
        for patient, day in (("young", "2012-01-01"), ("old", "2012-01-01"), ("old", "2015-06"))
    )
    graded = _graded(tmp_path, labs, patients, ranges)
    assert graded["grade"].to_list() == [1, 0, 1]


@pytest.mark.parametrize(
    ("ranges", "patients", "message"),
    [
        (_RANGES + "ALT,,45,furlong,,,,,\n", "", "ranges.csv, row 1, unit: expected a unit of ALT"),
        (_RANGES + "ALT,,45,U/L,,,,,\nALT,,x,U/L,,,,,\n", "", "ranges.csv, row 2, uln: expected a"),
        (_RANGES + "ALT,,45,U/L,,women,,,\n", "", "row 1, sex: expected female or male"),
        (_RANGES + "ALT,,45,U/L,,,18.5,,\n", "", "row 1, age_from: expected completed years"),
        (_RANGES + "ALT,,45,U/L,,,,,2011\n", "", "row 1, valid_from: expected a date YYYY-MM-DD"),
        (_RANGES + ",,45,U/L,,,,,\n", "", "ranges.csv, row 1: no analyte"),
        ("analyte,uln,unit,kit\nALT,45,U/L,1\n", "", "the columns kit; accepted are analyte,"),
        (_ALT, "P1,2011-01-24,,man,\n", "column sex of patients.csv: expected F, M, U, female"),
        (_ALT, "P1,2011-01-24,,M,50\n", "column birth_year of patients.csv: expected a year"),
        (_ALT, "P1,2011-01-24,,M,\nP1,2011-01-24,,F,\n", "two sexes or years of birth"),
    ],
)
def test_what_cannot_be_read_stops_the_work(
    tmp_path: Path, ranges: str, patients: str, message: str
) -> None:
    with pytest.raises(FileError) as refused:
        _graded(tmp_path, "P1,2011-02-20,ALT,50,U/L,,,\n", _PATIENTS + patients, ranges)
    assert message in str(refused.value)
