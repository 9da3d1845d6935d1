"""Files as graders really hand them over: what ``compare`` makes of each."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.exports.compared_files import GRADERS, KEYS, compared, grade_labs
from toxgrade.errors import FileError
from toxgrade.exports import compare_adlb
from toxgrade.exports.compare_adlb import Comparison, compare
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.rules import Rules
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import ReadOptions

_LABS = """\
patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end
P1,2024-01-05,ALT,100,U/L,,40,2024-01-10,2024-02-20
P1,2024-03-02,ALT,250,U/L,,40,2024-01-10,2024-02-20
P1,2024-03-02,LYM,0.63,10^9/L,0.8,3.0,2024-01-10,2024-02-20
P1,2024-03-02,K,3.2,mmol/L,3.5,5.1,2024-01-10,2024-02-20
P2,2024-03-02,ALT,121,U/L,,40,2024-01-10,2024-02-20
"""
_DEFAULT = Rules()
_ADLB = "USUBJID,ADT,PARAMCD,ATOXGRL,ATOXGRH\n"


def causes(found: Comparison) -> list[tuple[object, ...]]:
    return found.differences.select("patient", "analyte", "cause").rows()


@pytest.mark.parametrize("names", ["own", "adam"])
def test_our_own_file_agrees_with_itself(tmp_path: Path, names: str) -> None:
    ours = grade_labs(tmp_path, _LABS, Rules(edition="5.0"), names=names)
    keys = ["patient", "collected", "analyte"] if names == "own" else ["USUBJID", "ADTC", "PARAMCD"]
    found = compare(ours, ours, [(key, key) for key in keys], GRADERS)
    assert found.differences.is_empty()
    assert sum(found.agreed.values()) == 6  # P2 has no baseline: undecided


def test_blanks_around_keys_are_no_part_of_them(tmp_path: Path) -> None:
    theirs = f"{_ADLB}P1   , 2024-03-02,ALT  ,,4\n"
    found = compared(tmp_path, _LABS, theirs, _DEFAULT)
    assert found.in_both == 1
    padded = _LABS.replace("P1,2024-03-02,ALT", "P1 ,2024-03-02, ALT")
    assert compared(tmp_path, padded, theirs, _DEFAULT).in_both == 1


def test_a_sequence_number_may_be_floating_point(tmp_path: Path) -> None:
    labs = "\n".join(f"{line},{seq}" for seq, line in enumerate(_LABS.splitlines())) + "\n"
    ours = grade_labs(tmp_path, labs.replace("rt_end,0", "rt_end,seq"), _DEFAULT)
    theirs = pl.DataFrame({"USUBJID": ["P2"], "LBSEQ": [5.0], "ATOXGRH": [2.0]})
    theirs.write_parquet(tmp_path / "theirs.parquet")
    keys = [("patient", "USUBJID"), ("seq", "LBSEQ")]
    found = compare(ours, tmp_path / "theirs.parquet", keys, GRADERS)
    assert found.agreed == {"Alanine aminotransferase increased": 1}


def test_a_result_without_a_key_is_counted_and_compared_with_none(tmp_path: Path) -> None:
    theirs = f"{_ADLB},2024-03-02,ALT,,4\n  ,2024-03-02,ALT,,4\nP2,2024-03-02,ALT,,2\n"
    labs = _LABS.replace("P1,2024-03-02,LYM", ",2024-03-02,LYM")
    found = compared(tmp_path, labs, theirs, _DEFAULT)
    assert found.without_key == (2, 2)
    assert found.agreed == {"Alanine aminotransferase increased": 1}


def test_keys_that_name_several_results_are_refused(tmp_path: Path) -> None:
    twice = f"{_ADLB}P2,2024-03-02,ALT,,2\nP2 ,2024-03-02,ALT,,2\n"
    with pytest.raises(FileError, match=r"theirs\.csv: --keys name more than one result in 2"):
        compared(tmp_path, _LABS, twice, _DEFAULT)


@pytest.mark.parametrize("text", ["Grade 2", "NaN", "2+", "II", "6", "1.5"])
def test_a_text_that_is_no_grade_is_refused_until_it_is_declared(tmp_path: Path, text: str) -> None:
    theirs = f"{_ADLB}P2,2024-03-02,ALT,,{text}\n"
    with pytest.raises(FileError, match="ATOXGRH holds 1 texts that are no grade") as caught:
        compared(tmp_path, _LABS, theirs, _DEFAULT)
    assert text not in str(caught.value).replace("0 to 5", "").replace(" 1 texts", "")
    options = ReadOptions(nulls=(text,))
    found = compare(tmp_path / "ours.csv", tmp_path / "theirs.csv", KEYS, GRADERS, options)
    assert found.in_both == 0


def test_an_adlb_as_pharmaverse_makes_it(tmp_path: Path) -> None:
    """A term on every row, the unit in PARAM, BASE on every row, both directions in one row."""
    header = "USUBJID,ADT,PARAMCD,PARAM,AVAL,BASE,ANRLO,ANRHI,ATOXDSCL,ATOXDSCH,ATOXGRL,ATOXGRH\n"
    rows = [
        "P1,2024-03-02,ALT,Alanine Aminotransferase (U/L),250,100,NA,40,NA,"
        "Alanine aminotransferase increased,NA,3",
        "P1,2024-03-02,LYM,Lymphocytes (10^9/L),0.63,NA,0.8,3,CD4 lymphocytes decreased,"
        "Lymphocyte count increased,1,0",
        "P1,2024-03-02,K,Potassium (mmol/L),3.2,NA,3.5,5.1,Hypokalemia,Hyperkalemia,1,0",
    ]
    (tmp_path / "theirs.csv").write_text(header + "\n".join(rows))
    ours = grade_labs(tmp_path, _LABS, Rules(edition="5.0"))
    found = compare(ours, tmp_path / "theirs.csv", KEYS, GRADERS, ReadOptions(nulls=("NA",)))
    shown = found.differences.filter(found.differences["cause"] != "only-ours")
    assert shown.select("analyte", "grade", "their_grade", "cause", "their_term").rows() == [
        ("ALT", 1, 3, "baseline", None),
        ("LYM", 2, 1, "term", "CD4 lymphocytes decreased"),
        ("K", 2, 1, "rule", None),
    ]


@pytest.mark.parametrize(
    ("grade", "term", "side"),
    [
        ("-2", "", "Lymphocyte count decreased"),
        ("2", "Lymphocyte count decreased", "Lymphocyte count decreased"),
        ("2", "Lymphocyte count increased", "Lymphocyte count increased"),
        ("0", "Lymphocyte count increased", "Lymphocyte count increased"),
    ],
)
def test_one_column_of_grades_is_read_by_its_sign_or_its_term(
    tmp_path: Path, grade: str, term: str, side: str
) -> None:
    theirs = f"USUBJID,ADT,PARAMCD,ATOXGR,ATOXDSC\nP1,2024-03-02,LYM,{grade},{term}\n"
    found = compared(tmp_path, _LABS, theirs, _DEFAULT)
    differing = found.differences.filter(found.differences["cause"] != "only-ours")["term"]
    assert {*found.agreed, *differing} == {side}


def test_what_the_run_declared_is_taken_from_its_manifest(tmp_path: Path) -> None:
    """By `grade-1` a potassium of 3.2 is 1; graded again by the default it would be 2."""
    rules = Rules(interpretations=(("hypokalemia", "grade-1"),))
    ours = grade_labs(tmp_path, _LABS.replace("analyte", "term"), rules, options=_MAPPED)
    (tmp_path / "theirs.csv").write_text(f"{_ADLB}P1,2024-03-02,K,2,\n")
    keys = [("patient", "USUBJID"), ("collected", "ADT"), ("in_term", "PARAMCD")]
    with_manifest = compare(ours, tmp_path / "theirs.csv", keys, GRADERS)
    assert with_manifest.differences["cause"].to_list().count("rule") == 1
    ours.with_name("ours.csv.manifest.json").unlink()
    without = compare(ours, tmp_path / "theirs.csv", keys, GRADERS, _MAPPED)
    assert without.differences["cause"].to_list().count("not-reproduced") == 1
    choices = dict(rules.interpretations)
    declared = compare(ours, tmp_path / "theirs.csv", keys, GRADERS, _MAPPED, choices)
    assert declared.differences["cause"].to_list().count("rule") == 1


_MAPPED = ReadOptions(columns=ColumnMap({"analyte": "term"}))


@pytest.mark.parametrize("manifest", [True, False])
def test_the_names_of_a_site_are_known(tmp_path: Path, manifest: bool) -> None:
    names = ColumnMap(dictionary={"analytes": {"Kalium-7": "K"}})
    options = ReadOptions(columns=names)
    rules = Rules(dictionary=names.site_names(GRADERS.criteria.analytes.values()))
    labs = _LABS.replace(",K,", ",Kalium-7,")
    ours = grade_labs(tmp_path, labs, rules, options=options)
    (tmp_path / "theirs.csv").write_text(f"{_ADLB}P1,2024-03-02,Kalium-7,4,\n")
    if not manifest:
        ours.with_name("ours.csv.manifest.json").unlink()
    declared = ReadOptions() if manifest else options
    found = compare(ours, tmp_path / "theirs.csv", KEYS, GRADERS, declared)
    assert ("P1", "Kalium-7", "rule") in causes(found)


def test_a_part_of_our_file_is_not_explained_by_what_it_lacks(tmp_path: Path) -> None:
    """Without the row of the baseline our grade has no ground; so no cause is named for it."""
    ours = grade_labs(tmp_path, _LABS, Rules(edition="5.0"))
    lines = ours.read_text().splitlines()
    ours.write_text("\n".join(line for line in lines if "2024-01-05" not in line) + "\n")
    (tmp_path / "theirs.csv").write_text(f"{_ADLB}P1,2024-03-02,ALT,,3\n")
    found = compare(ours, tmp_path / "theirs.csv", KEYS, GRADERS)
    assert ("P1", "ALT", "not-reproduced") in causes(found)


def test_each_test_of_a_term_has_its_own_baseline_and_limits(tmp_path: Path) -> None:
    """Calcium and ionised calcium are both graded as hypercalcemia, by other limits."""
    labs = (
        "patient,collected,analyte,value,unit,lln,uln\n"
        "P1,2024-03-02,CA,12.0,mg/dL,8.5,10.5\nP1,2024-03-02,CAION,1.55,mmol/L,1.1,1.3\n"
    )
    theirs = f"{_ADLB}P1,2024-03-02,CA,,3\nP1,2024-03-02,CAION,,3\n"
    found = compared(tmp_path, labs, theirs, _DEFAULT)
    assert causes(found) == [("P1", "CA", "rule"), ("P1", "CAION", "rule")]


def test_a_wide_export_is_to_be_graded_with_names_of_adam(tmp_path: Path) -> None:
    wide = ReadOptions(columns=ColumnMap(wide=({"column": "k", "analyte": "K", "unit": "mmol/L"},)))
    labs = "patient,collected,k\nP1,2024-03-02,3.2\n"
    ours = grade_labs(tmp_path, labs, _DEFAULT, options=wide)
    (tmp_path / "theirs.csv").write_text(f"{_ADLB}P1,2024-03-02,K,2,\n")
    with pytest.raises(FileError, match="grade it with --names adam"):
        compare(ours, tmp_path / "theirs.csv", KEYS, GRADERS)


def test_a_key_with_the_name_of_a_column_of_ours_is_told_apart(tmp_path: Path) -> None:
    ours = grade_labs(tmp_path, _LABS, _DEFAULT)
    keys = [("row", "row"), ("term", "term")]
    text = ours.read_text().replace(",Hypokalemia,2,2,2,", ",Hypokalemia,1,1,1,")
    (tmp_path / "theirs.csv").write_text(text)
    found = compare(ours, tmp_path / "theirs.csv", keys, GRADERS)
    assert found.differences.select("row", "in_term", "grade", "their_grade").rows() == [
        ("4", "Hypokalemia", 2, 1)
    ]


def test_the_cost_of_a_comparison_grows_with_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the results that tell on editions and units a bounded number is consulted."""
    monkeypatch.setattr(compare_adlb, "_MOST_CONSULTED", 20)
    graded = []
    for patients in (100, 200):
        lines = [f"P{n},2024-03-02,HGB,{9 + n % 4},g/dL,12,16" for n in range(patients)]
        labs = "patient,collected,analyte,value,unit,lln,uln\n" + "\n".join(lines)
        rows = [f"P{n},2024-03-02,HGB,{3 - n % 2},0" for n in range(patients)]
        counted = _count_grades(monkeypatch)
        compared(tmp_path, labs, _ADLB + "\n".join(rows), _DEFAULT)
        graded.append(len(counted))
    assert graded[1] <= 2.5 * graded[0]


def _count_grades(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    calls: list[None] = []
    grade = TermGrader.grade

    def counting(*given: object) -> object:
        calls.append(None)
        return grade(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(TermGrader, "grade", counting)
    return calls


def test_the_command_says_by_what_they_graded_and_what_it_left_out(
    tmp_path: Path,
) -> None:
    grade_labs(tmp_path, _LABS, _DEFAULT)
    header = "USUBJID,ADT,PARAMCD,ATOXDSCL,ATOXGRL\n"
    rows = "P1,2024-03-02,LYM,CD4 lymphocytes decreased,1\nP1,,LYM,,1\n"
    (tmp_path / "theirs.csv").write_text(header + rows)
    said = _compare_command(tmp_path)
    assert "decreased: 0 agree; term (CD4 lymphocytes decreased) 1\n" in said
    assert "not compared, a key is missing: 1 of theirs\n" in said
    (tmp_path / "theirs.csv").write_text(header + "P77,2024-03-02,LYM,,1\n")
    assert "--keys give no result that both have\n" in _compare_command(tmp_path)


def _compare_command(folder: Path) -> str:
    """Return what ``toxgrade compare`` prints."""
    command = [str(Path(sys.executable).parent / "toxgrade"), "compare", "ours.csv", "theirs.csv"]
    keys = "patient=USUBJID,collected=ADT,analyte=PARAMCD"
    return subprocess.run(
        [*command, "--keys", keys], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
