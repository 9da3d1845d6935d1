"""Comparison with another grader's ADLB: each difference is found, with its cause."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.compare_adlb import compare
from toxgrade.grading.rules import Graders

_GRADERS = Graders(load())
_TOXGRADE = str(Path(sys.executable).parent / "toxgrade")

# SYNTHETIC patients with normal baselines; P6's ALT was 2.5 x ULN before treatment.
_LABS = """\
patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
P1,2011-01-20,ALT,31,U/L,,40,2011-01-24,2011-03-09
P1,2011-04-01,ALT,121,U/L,,40,2011-01-24,2011-03-09
P2,2011-01-20,ALT,31,U/L,,40,2011-01-24,2011-03-09
P2,2011-04-01,ALT,<130,U/L,,40,2011-01-24,2011-03-09
P3,2011-01-20,TBIL,0.9,mg/dL,,1.2,2011-01-24,2011-03-09
P3,2011-04-01,TBIL,1.8,mg/dL,,1.2,2011-01-24,2011-03-09
P4,2011-01-20,ALT,31,U/L,,40,2011-01-24,2011-03-09
P4,2011-04-01,ALT,121,U/L,,40,2011-01-24,2011-03-09
P5,2011-01-20,WBC,5.0,K/uL,4,10,2011-01-24,2011-03-09
P5,2011-04-01,WBC,2.8,K/uL,4,10,2011-01-24,2011-03-09
P6,2011-01-20,ALT,100,U/L,,40,2011-01-24,2011-03-09
P6,2011-04-01,ALT,250,U/L,,40,2011-01-24,2011-03-09
P7,2011-01-20,TBIL,0.9,mg/dL,,1.2,2011-01-24,2011-03-09
P7,2011-04-01,TBIL,1.803,mg/dL,,1.2,2011-01-24,2011-03-09
"""
_TOXIC = [("P3", 1), ("P4", 2), ("P6", 1), ("P6", 1), ("P7", 2)]  # Apart from P1 and P5.
_THEIRS = "USUBJID,ADTC,PARAMCD,AVAL,AVALU,ANRLO,ANRHI,BASE,ATOXGRH,ATOXGRL"
_AFTER = "2011-04-01"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "labs.csv").write_text(_LABS)
    for name, more in (("graded.csv", ()), ("adam.parquet", ("--names", "adam"))):
        command = [_TOXGRADE, "grade", "labs.csv", "-o", name, "--edition", "5.0", *more]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def theirs(folder: Path, *rows: str) -> Path:
    path = folder / "adlb.csv"
    path.write_text("\n".join([_THEIRS, *rows]) + "\n")
    return path


_KEYS = {
    "graded.csv": [("patient", "USUBJID"), ("collected", "ADTC"), ("analyte", "PARAMCD")],
    "adam.parquet": [("USUBJID", "USUBJID"), ("ADTC", "ADTC"), ("PARAMCD", "PARAMCD")],
}


@pytest.mark.parametrize("ours", _KEYS)
@pytest.mark.parametrize(
    ("row", "cause", "grades"),
    [
        # <130 U/L: up to 3.25 x ULN, so 0 to 2; they took it for 130.
        (f"P2,{_AFTER},ALT,130,U/L,,40,31,2,", "censored", (None, 2)),
        # 1.8 mg/dL is 1.5 x ULN, so 1; they took it for 1.8 umol/L beside a limit in mg/dL.
        (f"P3,{_AFTER},TBIL,1.8,umol/L,,,0.9,0,", "unit", (1, 0)),
        # 121 U/L is 3.03 x 40, so 2; of their 50 it is 2.4 x.
        (f"P4,{_AFTER},ALT,121,U/L,,50,31,1,", "range", (2, 1)),
        # 250 U/L is 2.5 x the abnormal baseline of 100, so 1; of the ULN it is 6.25 x.
        (f"P6,{_AFTER},ALT,250,U/L,,40,100,3,", "baseline", (1, 3)),
        # 1.5 x 1.2 in binary floating point is a little less than 1.8.
        (f"P3,{_AFTER},TBIL,1.8,mg/dL,,1.2,0.9,2,", "rounding", (1, 2)),
        # 1.803 mg/dL is above 1.5 x ULN; they kept 1.80 of it.
        (f"P7,{_AFTER},TBIL,1.80,mg/dL,,1.2,0.9,1,", "rounding", (2, 1)),
        # Another value altogether: no rounding makes 100 of 121.
        (f"P4,{_AFTER},ALT,100,U/L,,40,31,1,", "rule", (2, 1)),
        # Nothing in the numbers gives 4 at 3.03 x ULN.
        (f"P4,{_AFTER},ALT,121,U/L,,40,31,4,", "rule", (2, 4)),
        # They grade a high white cell count, we find none above 100,000; nobody's row.
        (f"P9,{_AFTER},ALT,121,U/L,,40,31,2,", "only-theirs", (None, 2)),
    ],
)
def test_a_difference_is_told_by_its_cause(
    graded: Path, ours: str, row: str, cause: str, grades: tuple[int | None, int]
) -> None:
    found = compare(graded / ours, theirs(graded, row), _KEYS[ours], _GRADERS)
    (difference,) = found.differences.filter(pl.col("cause") != "only-ours").iter_rows(named=True)
    assert (difference["cause"], difference["grade"], difference["their_grade"]) == (cause, *grades)
    assert found.agreed == {}


def test_what_is_no_grade_is_not_taken_for_none(graded: Path, tmp_path: Path) -> None:
    row = f"P4,{_AFTER},ALT,121,U/L,,40,31,GRADE 2,"
    with pytest.raises(FileError, match=r"adlb\.csv: ATOXGRH holds 1 texts that are no grade"):
        compare(graded / "graded.csv", theirs(graded, row), _KEYS["graded.csv"], _GRADERS)
    text = (graded / "graded.csv").read_text()
    (tmp_path / "edited.csv").write_text(text.replace(",2,2,2,", ",2,two,2,"))
    with pytest.raises(FileError, match=r"edited\.csv: at_least holds [0-9]+ texts that are no"):
        compare(tmp_path / "edited.csv", theirs(graded), _KEYS["graded.csv"], _GRADERS)


def test_an_export_is_read_as_it_was_when_it_was_graded(tmp_path: Path) -> None:
    """Without the declared decimal comma no value is a number, and every cause would be a rule."""
    (tmp_path / "labs.csv").write_text(
        "id;collected;analyte;value;unit;lln;uln;rt_start;rt_end\n"
        "P3;20.01.2011;TBIL;0,9;mg/dL;;1,2;24.01.2011;09.03.2011\n"
        "P3;01.04.2011;TBIL;1,8;mg/dL;;1,2;24.01.2011;09.03.2011\n"
    )
    declared = ("--map", "patient=id", "--decimal", ",", "--dates", "%d.%m.%Y")
    command = [_TOXGRADE, "grade", "labs.csv", "-o", "graded.csv", *declared]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs(tmp_path, "P3,01.04.2011,TBIL,1.8,mg/dL,NA,1.2,0.9,2,NA")
    command = [
        _TOXGRADE,
        "compare",
        "graded.csv",
        "adlb.csv",
        "--keys",
        "id=USUBJID,collected=ADTC",
        *declared,
        "--null",
        "NA",
    ]  # as R writes what is missing
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "Blood bilirubin increased: 0 agree; rounding 1" in done.stdout


def test_what_agrees_is_counted_and_what_they_lack_is_told(graded: Path) -> None:
    rows = [
        f"P1,{_AFTER},ALT,121,U/L,,40,31,2.0,",
        "P1,2011-01-20,ALT,31,U/L,,40,31,0,",
        f"P5,{_AFTER},WBC,2.8,10*9/L,4,10,5,0,2",
    ]
    found = compare(graded / "graded.csv", theirs(graded, *rows), _KEYS["graded.csv"], _GRADERS)
    assert found.agreed == {
        "Alanine aminotransferase increased": 2,
        "White blood cell decreased": 1,
        "Leukocytosis": 1,
    }
    alone = found.differences.select("patient", "grade", "cause").rows()
    assert alone == [(name, grade, "only-ours") for name, grade in _TOXIC]


def test_grades_with_a_sign_are_read_by_their_side(graded: Path, tmp_path: Path) -> None:
    path = tmp_path / "adlb.csv"
    path.write_text(f"USUBJID,ADTC,PARAMCD,ATOXGR\nP5,{_AFTER},WBC,-2\nP1,{_AFTER},ALT,2\n")
    found = compare(graded / "graded.csv", path, _KEYS["graded.csv"], _GRADERS)
    assert found.agreed == {
        "Alanine aminotransferase increased": 1,
        "White blood cell decreased": 1,
    }


@pytest.mark.parametrize(
    ("ours", "other", "keys", "said"),
    [
        ("graded.csv", "USUBJID,ATOXGR\nP1,1\n", "patient=USUBJID", "graded.csv: --keys name more"),
        ("graded.csv", "USUBJID\nP1\n", "patient=USUBJID", "lacks ATOXGRH and ATOXGRL, or ATOXGR"),
        ("graded.csv", "USUBJID,ATOXGR\nP1,1\n", "patient=SUBJ", "lacks SUBJ"),
        (
            "labs.csv",
            "USUBJID,ATOXGR\nP1,1\n",
            "patient=USUBJID",
            "labs.csv: the header lacks term",
        ),
        ("graded.csv", "USUBJID,ATOXGR\nP1,1\n", "=USUBJID", "--keys: expected columns"),
    ],
)
def test_files_that_cannot_be_compared(
    graded: Path, tmp_path: Path, ours: str, other: str, keys: str, said: str
) -> None:
    (tmp_path / "other.csv").write_text(other)
    command = [_TOXGRADE, "compare", str(graded / ours), "other.csv", "--keys", keys]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_command_prints_by_term_and_writes_the_differences(
    graded: Path, tmp_path: Path
) -> None:
    rows = [f"P1,{_AFTER},ALT,121,U/L,,40,31,2,", f"P3,{_AFTER},TBIL,1.8,mg/dL,,1.2,0.9,2,"]
    keys = "patient=USUBJID,collected=ADTC,analyte=PARAMCD"
    command = [_TOXGRADE, "compare", "graded.csv", theirs(graded, *rows).name, "--keys", keys]
    out = tmp_path / "differences.csv"
    done = subprocess.run(
        [*command, "-o", str(out)], cwd=graded, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "1 gradings agree, 6 differ\n"
        "  Alanine aminotransferase increased: 1 agree; only-ours 3\n"
        "  Blood bilirubin increased: 0 agree; only-ours 1, rounding 1\n"
        "  White blood cell decreased: 0 agree; only-ours 1\n"
    )
    assert pl.read_csv(out)["cause"].to_list() == ["rounding", *["only-ours"] * 5]


def test_blanks_around_a_key_do_not_count(graded: Path, tmp_path: Path) -> None:
    other = theirs(tmp_path, f" P1 ,{_AFTER} ,ALT,121,U/L,,40,31,2,")
    found = compare(graded / "graded.csv", other, _KEYS["graded.csv"], _GRADERS)
    assert found.agreed == {"Alanine aminotransferase increased": 1}
    assert "only-theirs" not in found.differences["cause"].to_list()
