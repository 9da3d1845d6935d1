"""Exports as others have them: urine among blood, flags without ranges, signs apart, own names."""

import json
from pathlib import Path

import pytest

from tests.cli.program import toxgrade
from tests.exports.test_grade_file import rows
from toxgrade.cli.run_summary import print_report
from toxgrade.criteria.reader import load
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.declared_options import with_mapping

_GRADERS = Graders(load())
_OWN = "patient,collected,analyte,value,unit,lln,uln"
_LB = "USUBJID,LBTESTCD,LBTEST,LBCAT,LBSPEC,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBNRIND,LBDTC"
_MAP = """[analytes]
POTAS = "potassium"
"http://lab.example|K" = "potassium"
[units]
"cells/cumm" = "/mm3"
[specimens]
SST = "serum"
DRAIN = "other"
"""


def _graded(folder: Path, labs: str, *mapping: str) -> list[dict[str, str]]:
    """Grade the text of a CSV and print its summary, as ``toxgrade grade`` does."""
    (folder / "labs.csv").write_text(labs, encoding="utf-8")
    (folder / "site.toml").write_text(_MAP, encoding="utf-8")
    options = with_mapping(mapping)
    rules = Rules(dictionary=options.columns.site_names(_GRADERS.criteria.analytes.values()))
    request = GradeFileRequest(
        (f"{folder}/labs.csv",), folder / "out.csv", rules, options=options
    )  # fmt: skip
    print_report(grade_file(request, _GRADERS), _GRADERS.criteria, None)
    return rows(folder / "out.csv")


@pytest.mark.parametrize(
    ("test", "category", "specimen", "value", "unit", "reason"),
    [
        ("Glucose", "URINALYSIS", "", "1000", "mg/dL", "other-specimen"),
        ("Glucose", "URINALYSIS", "BLOOD", "1000", "mg/dL", "other-specimen"),  # a contradiction
        ("Glucose", "CHEMISTRY", "URINE", "1000", "mg/dL", "other-specimen"),
        ("Glucose in Urine", "", "", "15", "mg/dL", "other-specimen"),
        ("Glucose, CSF", "CHEMISTRY", "", "15", "mg/dL", "other-specimen"),
        ("Glucose", "CHEMISTRY", "SERUM OR PLASMA", "150", "mg/dL", ""),
        ("Glucose", "CHEMISTRY", "CAPILLARY BLOOD", "150", "mg/dL", ""),
        ("Glucose", "CHEMISTRY", "", "150", "mg/dL", ""),
        ("Glucose", "CHEMISTRY", "DIALYSATE", "150", "mg/dL", "other-specimen"),
    ],
)
def test_specimens_of_sdtm(
    tmp_path: Path, test: str, category: str, specimen: str, value: str, unit: str, reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    line = f'P1,GLUC,"{test}",{category},{specimen},{value},{unit},70,100,,2024-03-01'
    found = _graded(tmp_path, f"{_LB}\n{line}\n")
    assert {row["reason"] for row in found} == {reason}
    told = capsys.readouterr().err
    assert ("specimens other than blood (rows): " in told) is bool(reason)


@pytest.mark.parametrize(
    ("test", "value", "unit", "indicator", "term", "at_least", "at_most", "flags"),
    [
        ("ALT", "38", "U/L", "NORMAL", "Alanine aminotransferase increased", 0, 0, "by-indicator"),
        ("ALT", "61", "U/L", "HIGH", "Alanine aminotransferase increased", 1, 4, "by-indicator"),
        ("ALT", "61", "U/L", "ABNORMAL", "Alanine aminotransferase increased", 0, 4, ""),
        ("PLAT", "110", "10^9/L", "NORMAL", "Platelet count decreased", 0, 0, "by-indicator"),
        ("PLAT", "110", "10^9/L", "LOW", "Platelet count decreased", 1, 1, "by-indicator"),
        ("PLAT", "20", "10^9/L", "LOW", "Platelet count decreased", 4, 4, ""),
    ],
)
def test_a_flag_without_a_range(
    tmp_path: Path, test: str, value: str, unit: str, indicator: str, term: str,
    at_least: int, at_most: int, flags: str,
) -> None:  # fmt: skip
    line = f"P1,{test},,,,{value},{unit},,,{indicator},2024-03-01"
    (found,) = [row for row in _graded(tmp_path, f"{_LB}\n{line}\n") if row["term"] == term]
    assert (found["at_least"], found["at_most"]) == (str(at_least), str(at_most))
    assert found["flags"] == flags


@pytest.mark.parametrize(
    ("sign", "value", "span"),
    [
        ("", "200", "2-2"), ("=", "200", "2-2"), ("4172703", "200", "2-2"),
        (">", "200", "3-4"), ("GT", "200", "3-4"), ("4172704", "200", "3-4"), (">", ">200", "3-4"),
        ("≥", "200", "2-4"), (">=", "200", "2-4"), ("<", "30", "0-0"), ("LE", "40", "0-0"),
        # A sign that is unknown, or not that of the value itself, makes it unreadable
        ("~", "200", "-"), ("<>", "200", "-"), ("ad", "200", "-"), ("<", ">200", "-"),
        ("9", "200", "-"),
    ],
)  # fmt: skip
def test_a_sign_in_a_column_of_its_own(tmp_path: Path, sign: str, value: str, span: str) -> None:
    labs = f"{_OWN},operator\nP1,2024-03-01,ALT,{value},U/L,,40,{sign}\n"
    (found,) = _graded(tmp_path, labs, "comparator=operator")
    assert f"{found['at_least']}-{found['at_most']}" == span
    assert found["reason"] == ("unreadable-value" if span == "-" else found["reason"])


def test_a_column_of_signs_that_is_not_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = f"{_OWN},operator,note\nP1,2024-03-01,ALT,200,U/L,,40,>,<5\n"
    _graded(tmp_path, labs)
    told = capsys.readouterr().err
    assert "column operator holds nothing but signs: is it --map comparator=operator?" in told
    assert "note" not in told


def test_a_site_s_own_names(tmp_path: Path) -> None:
    labs = (
        f"{_OWN},specimen\n"
        "P1,2024-03-01,POTAS,7.4,mmol/L,3.5,5.1,SST\n"
        "P1,2024-03-02,POTAS,7.4,mmol/L,3.5,5.1,DRAIN\n"
        "P1,2024-03-03,PLT,15000,cells/cumm,150000,400000,\n"
    )
    found = _graded(tmp_path, labs, f"{tmp_path}/site.toml")
    assert [(row["term"], row["grade"], row["reason"]) for row in found] == [
        ("Hyperkalemia", "4", ""), ("Hypokalemia", "0", ""),
        ("Hyperkalemia", "", "other-specimen"), ("Hypokalemia", "", "other-specimen"),
        ("Platelet count decreased", "4", ""),
    ]  # fmt: skip
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text())
    assert manifest["rules"]["dictionary"]["analytes"]["POTAS"] == "potassium"
    assert len(manifest["dictionary_sha256"]) == 64


def test_an_entry_that_is_not_understood_is_named(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(f"{_OWN}\n")
    (tmp_path / "other.toml").write_text('[units]\n"Tsd" = "furlong"\n')
    done = toxgrade("grade", "labs.csv", "-o", "out.csv", "--map", "other.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "[units] 'Tsd': expected a unit" in done.stderr


@pytest.mark.parametrize(
    ("value", "limit", "grade"),
    [
        ("0.7999999999999999", "0.7999999999999999", "0"), ("0.7999999999999999", "0.8", "0"),
        ("0.7999999999999999", "0.80000000000000004", "0"), ("0.7999", "0.8", "2"),
    ],
)  # fmt: skip
def test_the_noise_of_doubles_decides_no_grade(
    tmp_path: Path, value: str, limit: str, grade: str
) -> None:
    found = _graded(tmp_path, f"{_OWN}\nP1,2024-03-01,LYMPH,{value},10^9/L,{limit},3\n")
    (low,) = [row for row in found if row["term"] == "Lymphocyte count decreased"]
    assert (low["grade"], low["value"]) == (grade, value)
    assert ("binary-noise" in low["flags"]) is (len(value) > 6)
