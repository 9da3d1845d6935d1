"""What a run tells: rows without a patient, names that were not understood, and the first line."""

import json
from pathlib import Path

import pytest

from tests.exports.test_grade_file import grade, rows
from toxgrade.cli.run_summary import print_report
from toxgrade.criteria.reader import load
from toxgrade.errors import FileError
from toxgrade.exports.hints import Hints
from toxgrade.grading.units import Names
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_HEADER = "patient,collected,analyte,value,unit,lln,uln"
_CRITERIA = load()


def told(
    folder: Path,
    labs: str,
    capsys: pytest.CaptureFixture[str],
    patients: str | None = None,
    options: ReadOptions = DEFAULT_OPTIONS,
) -> list[str]:
    """Return the lines of the summary."""
    report = grade(folder, f"{_HEADER}\n{labs}", patients, options=options)
    capsys.readouterr()
    print_report(report, load(only="4.03"), None)
    return capsys.readouterr().err.splitlines()


_MERGED = """P1,2011-01-20,ALT,30,U/L,,40
,2011-04-23,ALT,230,U/L,,40
P2,2011-01-20,ALT,30,U/L,,40
,2011-04-23,lead,30,U/L,,40
"""


def test_rows_without_a_patient_are_undecided_and_told_with_the_likely_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(tmp_path, _MERGED, capsys)
    assert [(o["row"], o["grade"], o["at_most"], o["reason"], o["phase"])
            for o in rows(tmp_path / "out.csv")] == [
        ("1", "0", "0", "", "unknown"),
        ("2", "", "", "missing-patient", "unknown"),
        ("3", "0", "0", "", "unknown"),
        ("4", "", "", "missing-patient", "unknown"),
    ]  # fmt: skip
    assert [(o["line"], o["column"], o["reason"]) for o in rows(tmp_path / "rejects.csv")] == [
        ("3", "patient", "missing-patient"), ("5", "patient", "missing-patient"),
    ]  # fmt: skip
    assert lines == [
        "Toxgrade's own columns: 4 rows, 2 patients",
        "4 gradings: 2 decided",
        "  undecided, missing-patient: 2",
        "  phase unknown: 2 (no treatment dates: 2)",
        "no patient: 2 rows; are the cells merged, or filled once per patient? see --fill-down",
        "patients without treatment dates, in no table: 2",
        "rows that could not be read: 2; --rejects FILE lists them",
    ]


def test_rows_that_are_filled_down_are_graded_and_flagged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(tmp_path, _MERGED, capsys, options=ReadOptions(fill_down=("patient",)))
    assert [(o["patient"], o["grade"], o["reason"], o["flags"])
            for o in rows(tmp_path / "out.csv")] == [
        ("P1", "0", "", ""),
        ("P1", "3", "", "filled-down"),
        ("P2", "0", "", ""),
        ("P2", "", "unknown-analyte", "filled-down"),
    ]  # fmt: skip
    assert "results of rows that were filled down: 2" in lines
    assert not [line for line in lines if line.startswith("no patient")]


@pytest.mark.parametrize(
    ("labs", "fill", "says"),
    [
        (",2011-01-20,ALT,30,U/L,,40\n", (), "is the patient in another column? see --map"),
        (_MERGED.replace("P2", ""), (), "are the cells merged, or filled once per patient?"),
        (",2011-01-20,ALT,30,U/L,,40\n" + _MERGED, ("patient",), "nothing above them says whose"),
    ],
)
def test_the_likely_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labs: str, fill: tuple[str, ...], says: str
) -> None:
    lines = told(tmp_path, labs, capsys, options=ReadOptions(fill_down=fill))
    (line,) = [line for line in lines if line.startswith("no patient")]
    assert says in line


def test_counts_of_a_wide_file_say_what_they_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labs.csv").write_text("")
    wide = tuple({"column": name, "analyte": name, "unit": "U/L"} for name in ("ALT", "AST"))
    columns = ColumnMap({"patient": "id", "collected": "day"}, wide=wide)
    labs = "id,day,ALT,AST\nP1,2011-01-20,30,31\n,2011-01-21,32,33\nP2,2011-01-20,34,\nP2,,,\n"
    report = grade(tmp_path, labs, options=ReadOptions(columns=columns))
    assert (report.rows, report.results, report.rejected, report.rejected_results) == (4, 5, 1, 2)
    print_report(report, load(only="4.03"), None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "mapped columns: 4 rows with 5 results, 2 patients"
    assert "no patient: 2 values; are the cells merged" in " ".join(lines)
    assert lines[-1].startswith("rows that could not be read: 1 (2 results); ")


@pytest.mark.parametrize(
    ("names", "patients", "expected"),
    [
        (["SYN1", "SYN1 ", " SYN1"], None, 0),
        (["SYN1", "syn1", "SYN 1", "SYN2"], None, 3),
        (["1001.0", "1002"], ["1001", "1002"], 2),
        (["SYN1"], ["syn1", "SYN2"], 2),
        (["SYN1"], ["SYN1 "], 0),
    ],
)
def test_patients_who_differ_by_case_or_blanks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str],
    patients: list[str] | None, expected: int,
) -> None:  # fmt: skip
    labs = "".join(f"{name},2011-01-20,ALT,30,U/L,,40\n" for name in names)
    dates = "".join(f"{name},2011-01-24,2011-03-09\n" for name in patients or ())
    file = f"patient,rt_start,rt_end\n{dates}" if patients else None
    lines = told(tmp_path, labs, capsys, file)
    text = f"patients who differ from another only by case, blanks or a final .0: {expected}"
    assert (text in lines) == (expected > 0)


def test_blanks_around_a_patient_make_no_other_patient(tmp_path: Path) -> None:
    labs = f"""{_HEADER}
SYN1 ,2024-01-02,CREAT,0.7,mg/dL,0.6,1.2
SYN1,2024-03-01,CREAT,1.6,mg/dL,0.6,1.2
 ,2024-03-01,CREAT,1.6,mg/dL,0.6,1.2
"""
    grade(tmp_path, labs, "patient,rt_start,rt_end\n SYN1,2024-01-10,2024-02-20\n")
    assert [(o["grade"], o["phase"], o["reason"]) for o in rows(tmp_path / "out.csv")] == [
        ("0", "baseline", ""), ("2", "acute", ""), ("", "unknown", "missing-patient"),
    ]  # fmt: skip


def test_header_rows_between_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = "P1,2011-01-20,ALT,30,U/L,,40\n"
    lines = told(tmp_path, f"{row}{_HEADER}\n{row}", capsys)
    assert lines[0] == "Toxgrade's own columns: 2 rows, 1 patients"
    assert "repeated header rows, left out: 1" in lines
    assert [out["row"] for out in rows(tmp_path / "out.csv")] == ["1", "3"]


_HINTS = Hints(load(only="4.03"), load)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        # known, but in this edition not graded
        ("EOS", "known, graded in 5.0 and 6.0"),
        ("LDH", "known, graded in 5.0 and 6.0"),
        # unknown, and near: punctuation, or one letter of a long word
        ("N.A.", "near na"),
        ("Potasium", "near potassium"),
        ("bilirubim, total", "near Bilirubin, total"),
        ("Hemogolbin", "near hemoglobin"),
        # unknown, and near nothing: in German potassium is Kalium, sodium Natrium
        ("Kalium", ""),
        ("Natrium", ""),
        ("Kalzium", ""),
        ("Harnsäure", ""),
        # one letter more is another test: bands, urine, the half of a pair
        ("NEUTB", ""),
        ("GLUCU", ""),
        ("LYMLE", ""),
        ("CD8", ""),
        ("albumin/creatinine", ""),
        ("lead", ""),
        ("", ""),
        ("...", ""),
    ],
)
def test_a_name_that_is_not_graded(name: str, hint: str) -> None:
    assert _HINTS.of_analyte(name) == hint


@pytest.mark.parametrize(
    ("unit", "analyte", "hint"),
    [
        ("mg/dL", "ALP", "no unit of ALP; U/L, ukat/L, nkat/L, … are"),
        ("g/L", "platelets", "no unit of platelets; 10*9/L, /mm3, /L are"),
        ("10**9/L", "WBC", "near 10*9/L"),
        ("cells/cumm", "PLAT", "unknown; of platelets accepted: 10*9/L, /mm3, /L"),
        ("furlong", "lead", ""),
    ],
)
def test_a_unit_that_is_not_understood(unit: str, analyte: str, hint: str) -> None:
    assert _HINTS.of_unit(unit, analyte) == hint


def test_no_hint_is_what_was_written() -> None:
    for analyte in _CRITERIA.analytes.values():
        for name in analyte.names:
            assert "near" not in _HINTS.of_analyte(name)
        for unit in analyte.units:
            for other in _CRITERIA.analytes.values():
                assert f"near {unit.name}" != _HINTS.of_unit(unit.name, other.name)


@pytest.mark.parametrize(
    ("name", "analyte"),
    [
        ("Calcium, Total", "calcium"),
        ("calcium (total)", "calcium"),
        ("Bilirubin, Total", "bilirubin"),
        ("Bilirubin (total)", "bilirubin"),
        ("Glucose (fasting)", "fasting glucose"),
        ("ALT (SGPT)", "ALT"),
        ("ALT SGPT", "ALT"),
        ("INR(PT)", "INR"),
        ("Calcium, Total, Urine", None),
        ("Calcium (urine)", None),
        ("Bilirubin, direct", None),
    ],
)
def test_one_rule_for_commas_and_parentheses(name: str, analyte: str | None) -> None:
    found = Names(_CRITERIA.analytes.values()).analyte(name)
    assert (found.name if found else None) == analyte


@pytest.mark.parametrize(
    ("days", "line"),
    [
        (["2299-12-31", "2300-01-02", "1899-12-31", "2400"],
         "dates of years that are not accepted, after 2299: 2, before 1900: 1"),
        (["2011-13-01", "9999-99", "01.02.2203"],
         "dates not understood, by their look: 99.99.9999 1, 9999-99-99 1; see --dates"),
    ],
)  # fmt: skip
def test_a_year_out_of_the_accepted_span(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: list[str], line: str
) -> None:
    labs = "".join(f"P1,{day},ALT,30,U/L,,40\n" for day in days)
    assert line in told(tmp_path, labs, capsys)


_DATES = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end\n"
_GOOD, _BAD = "2011-01-24", "1/2/14"


@pytest.mark.parametrize(
    ("rows_of_labs", "says"),
    [
        # a patient with two courses further down, whose second cannot be read either
        ([("P1", _BAD, _GOOD), ("P2", _GOOD, _GOOD), ("P2", _BAD, _GOOD)], "rt_start .*line 2:"),
        ([("P1", _GOOD, _BAD), ("P2", _BAD, _GOOD)], "rt_end .*line 2:"),
        ([("P1", _GOOD, _GOOD), ("P1", _BAD, _GOOD), ("P2", _BAD, _GOOD)], "rt_start .*line 3:"),
        ([("P1", _GOOD, _GOOD), ("P2", _BAD, _BAD), ("P1", _BAD, _GOOD)], "rt_start .*line 3:"),
        ([("P1", _GOOD, ""), ("P2", _GOOD, ""), ("P2", "2011-01-25", "")], "line 4: other"),
    ],
)
def test_the_line_that_is_named_is_the_first_with_the_fault(
    tmp_path: Path, rows_of_labs: list[tuple[str, str, str]], says: str
) -> None:
    lines = (f"{who},2011-02-01,ALT,30,U/L,,40,{a},{b}\n" for who, a, b in rows_of_labs)
    with pytest.raises(FileError, match=says):
        grade(tmp_path, _DATES + "".join(lines))


def test_a_venous_sample_is_no_other_specimen_in_the_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(
        tmp_path, "P1,2011-01-20,venous pH,7.33,,7.35,7.45\n", capsys,
        options=ReadOptions(columns=ColumnMap({}, {"specimen": "venous blood"})),
    )  # fmt: skip
    assert "  undecided, other-specimen: 1" in lines
    assert not [line for line in lines if line.startswith("specimens")]


@pytest.mark.parametrize(
    ("column", "texts", "told_of"),
    [
        ("Specimen", ("Blood", "Urine"), True),  # Columns are ours only in small letters.
        ("fluid", ("Blood", "Cerebrospinal Fluid (CSF)"), True),
        ("category", ("Chemistry", "URINALYSIS"), True),
        ("category", ("Chemistry", "Hematology"), False),
        ("specimen", ("Blood", "Urine"), False),  # It is read.
    ],
)
def test_a_column_of_specimens_that_is_not_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, texts: tuple[str, str],
    told_of: bool,
) -> None:  # fmt: skip
    rows = "".join(f"P1,2011-01-20,potassium,9.5,mmol/L,3.5,5.1,{text}\n" for text in texts)
    report = grade(tmp_path, f"{_HEADER},{column}\n{rows}")
    capsys.readouterr()
    print_report(report, load(only="4.03"), None)
    line = f"column {column} names specimens that are no blood: is it --map specimen={column}?"
    assert (line in capsys.readouterr().err.splitlines()) == told_of


def test_gradings_without_a_phase_are_counted_by_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SYN1's treatment has no end, SYN2's no start; SYN3 is treated; nothing is known of SYN4."""
    dates = "SYN1,2024-01-10,\nSYN2,,2024-02-20\nSYN3,2024-01-10,2024-02-20\n"
    days = {
        "SYN1": ["2024-02-01", "2024-09-01", "2024-09-02"],
        "SYN2": ["2024-02-01", "2024-03-01"],
        "SYN3": ["2024-02", "2024", "2024-05", "", ""],
        "SYN4": ["2024-02-01", ""],
    }
    labs = "".join(
        f"{who},{day},PLAT,20,10^9/L,150,400\n" for who, found in days.items() for day in found
    )
    without_bounds = "SYN4,2024-02-01,PLAT,lost,10^9/L,150,400\n"
    lines = told(tmp_path, labs + without_bounds, capsys, f"patient,rt_start,rt_end\n{dates}")
    assert lines[3] == (
        "  phase unknown: 9 (date too coarse: 2, no date: 2, no end of treatment: 2,"
        " no treatment dates: 2, no start of treatment: 1)"
    )
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text())
    assert manifest["counts"]["phase_unknown"] == {
        "date_too_coarse": 2, "no_date": 2, "no_end_of_treatment": 2, "no_treatment_dates": 2,
        "no_start_of_treatment": 1,
    }  # fmt: skip
