"""``toxgrade grade`` on files as data managers have them: every row comes out, or why not."""

import csv
import json
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.errors import CriteriaError, FileError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest, RunSummary
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_GRADERS = Graders(load())
_HEADER = "patient,collected,analyte,value,unit,lln,uln"
_LABS = f"""{_HEADER},note
P1,2011-01-20,bilirubin,0.9,mg/dL,0.2,1.2,
P1,2011-04-23,TBIL,1.8,mg/dL,0.2,1.2,"two
lines"
P1,2011-04-23,WBC,2.8,K/uL,4,10,
P2,2011-08-01,lead,5,ug/L,,,
P2,2011-08-01,albumin,abc,g/L,35,50,
"""
_PATIENTS = "patient,rt_start,rt_end\nP1,2011-01-24,2011-03-09\n"


def grade(
    folder: Path,
    labs: str,
    patients: str | None = None,
    output: str = "out.csv",
    options: ReadOptions = DEFAULT_OPTIONS,
) -> RunSummary:
    (folder / "labs.csv").write_text(labs, encoding="utf-8")
    if patients is not None:
        (folder / "patients.csv").write_text(patients, encoding="utf-8")
    request = GradeFileRequest(
        (str(folder / "labs.csv"),),
        folder / output,
        Rules(),
        folder / "patients.csv" if patients is not None else None,
        folder / "rejects.csv",
        options=options,
    )
    return grade_file(request, _GRADERS)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_comes_out_in_order_with_a_grade_or_a_reason(tmp_path: Path) -> None:
    report = grade(tmp_path, _LABS, _PATIENTS)
    out = rows(tmp_path / "out.csv")
    assert list(out[0]) == [
        *_HEADER.split(","), "note", "row", "term", "grade", "at_least", "at_most", "reason",
        "flags", "criterion", "phase", "on_treatment", "days_from_end", "baseline_grade",
        "worse_than_baseline", "edition",
    ]  # fmt: skip
    assert [
        (o["row"], o["value"], o["term"], o["grade"], o["reason"], o["phase"]) for o in out
    ] == [
        ("1", "0.9", "Blood bilirubin increased", "0", "", "baseline"),
        ("2", "1.8", "Blood bilirubin increased", "1", "", "acute"),
        ("3", "2.8", "White blood cell decreased", "2", "", "acute"),
        ("3", "2.8", "Leukocytosis", "0", "", "acute"),
        ("4", "5", "", "", "unknown-analyte", "unknown"),
        ("5", "abc", "Hypoalbuminemia", "", "unreadable-value", "unknown"),
    ]
    assert (out[1]["note"], out[1]["worse_than_baseline"], out[1]["days_from_end"]) == (
        "two\nlines", "true", "45",
    )  # fmt: skip
    assert (report.rows, report.entries, report.graded, report.rejected) == (5, 6, 4, 2)
    assert report.unknown_analytes == {"lead": 1}
    assert (report.patients, report.without_dates) == (2, 1)


@pytest.mark.parametrize("decimal", [".", ","])
def test_what_cannot_be_read_is_told_by_its_look(
    tmp_path: Path, decimal: Literal[".", ","]
) -> None:
    labs = (
        _HEADER
        + """
P1,23.04.2011,ALT,50,U/L,,40
P1,24.05.2011,ALT,51,U/L,,40
P1,2011-04-23,ALT,n.b.,U/L,,40
P1,2011-04-23,WBC,hämolytisch; wiederholen,K/uL,4,10
P1,2011-04-23,ALT,50,U/L,,0-40
P1,2011-04-23,ALT,50,U/L,5,<40
"""
    )
    (tmp_path / "labs.csv").write_text(labs, encoding="utf-8")
    paths = (str(tmp_path / "labs.csv"),), tmp_path / "out.csv"
    report = grade_file(
        GradeFileRequest(*paths, Rules(), options=ReadOptions(decimal=decimal)), _GRADERS
    )
    assert report.unreadable == {
        "value": {"a.a.": 1, "aaaaaaaaaaa; aaaaaaa": 1},
        "limit": {"9-99": 1, "<99": 1},
        "date": {"99.99.9999": 2},
    }


def test_rejects_name_line_and_column_but_no_value(tmp_path: Path) -> None:
    grade(tmp_path, _LABS + ",2011-08-01,ALT,50,U/L,,40,\nP3,yesterday,ALT,50,furlong,,40,\n")
    assert rows(tmp_path / "rejects.csv") == [
        {
            "file": "labs.csv",
            "line": "6",
            "row": "4",
            "column": "analyte",
            "reason": "unknown-analyte",
        },
        {
            "file": "labs.csv",
            "line": "7",
            "row": "5",
            "column": "value",
            "reason": "unreadable-value",
        },
        {
            "file": "labs.csv",
            "line": "8",
            "row": "6",
            "column": "patient",
            "reason": "missing-patient",
        },
        {
            "file": "labs.csv",
            "line": "9",
            "row": "7",
            "column": "collected",
            "reason": "unreadable-date",
        },
    ]


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    grade(tmp_path, _LABS, _PATIENTS)
    grade(tmp_path, _LABS, _PATIENTS, "out.parquet")
    as_csv = pl.read_csv(tmp_path / "out.csv", infer_schema=False)
    as_parquet = pl.read_parquet(tmp_path / "out.parquet")
    assert as_parquet.schema["grade"] == pl.Int8
    assert as_parquet.cast(pl.String).equals(as_csv)
    # The types of its columns once said every combination of flags: 0.6 MB for any file.
    assert (tmp_path / "out.parquet").stat().st_size < 50_000


def test_the_same_input_gives_the_same_bytes_and_a_manifest(tmp_path: Path) -> None:
    grade(tmp_path, _LABS, _PATIENTS)
    first = (tmp_path / "out.csv").read_bytes()
    grade(tmp_path, _LABS, _PATIENTS)
    assert (tmp_path / "out.csv").read_bytes() == first
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"].keys() == {"labs.csv", "patients.csv"}
    assert manifest["rules"]["window"] == {"anchor": "end", "months": 3, "days": None}
    assert manifest["counts"]["undecided"] == {"unknown-analyte": 1, "unreadable-value": 1}
    assert not list(tmp_path.glob(".*")), "no unfinished file stays behind"


def test_what_was_graded_may_be_graded_again_and_again(tmp_path: Path) -> None:
    grade(tmp_path, _LABS, _PATIENTS, "1.csv")
    for before, after in ((1, 2), (2, 3)):
        paths = (str(tmp_path / f"{before}.csv"),), tmp_path / f"{after}.csv"
        grade_file(GradeFileRequest(*paths, Rules(), tmp_path / "patients.csv"), _GRADERS)
    names = [name for name in rows(tmp_path / "3.csv")[0] if name.endswith("row")]
    assert names == ["in_row", "in_in_row", "row"]


def test_an_export_of_one_patient_may_say_so_once(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(
        "collected,analyte,value,unit,lln,uln\n2011-01-20,ALT,abc,U/L,,40\n"
    )
    options = ReadOptions(columns=ColumnMap(constants={"patient": "P1"}))
    request = GradeFileRequest(
        (str(tmp_path / "labs.csv"),), tmp_path / "out.csv", Rules(),
        rejects=tmp_path / "rejects.csv", options=options,
    )  # fmt: skip
    assert grade_file(request, _GRADERS).patients == 1
    assert rows(tmp_path / "rejects.csv")[0]["reason"] == "unreadable-value"


def test_treatment_dates_may_stand_in_the_export(tmp_path: Path) -> None:
    lines = _LABS.replace(",note", ",rt_start,rt_end,row,grade").replace('"two\nlines"', "")
    dated = lines.replace("P1,2011-04-23,TBIL,1.8,mg/dL,0.2,1.2,", "")
    labs = "\n".join(
        line if i == 0 else f"{line}2011-01-24,2011-03-09,7,9"
        for i, line in enumerate(dated.splitlines())
        if line
    )
    grade(tmp_path, labs + "\n")
    out = rows(tmp_path / "out.csv")
    assert [o["phase"] for o in out] == ["baseline", "acute", "acute", "late", "late"]
    assert (out[0]["in_row"], out[0]["row"], out[0]["in_grade"], out[0]["grade"]) == (
        "7", "1", "9", "0",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labs", "patients", "says"),
    [
        ("", None, r"labs.csv: empty"),
        (_HEADER.replace(",unit", "") + "\n", None, r"the header lacks unit\. Accepted are"),
        (_HEADER.upper() + "\n", None, r"the header lacks patient, collected, analyte"),
        ("a;b;c\n", None, r"the header lacks"),
        (_HEADER + ",unit\n", None, r"two columns are named unit"),
        (_HEADER + "\nP1,2011-01-20,ALT,5,U/L,,40,extra\n", None, r"line 2: 8 fields under 7"),
        (_HEADER + '\nP1,2011-01-20,"ALT,5,U/L,,40\n', None, r"not CSV"),
        (_LABS, "patient,rt_start\nP1,2011-01-24\n", r"patients.csv: the header needs"),
        (_LABS, "patient,rt_start,rt_end\nP1,2011-01-24,\nP1,2011-01-25,\n", r"line 3: other"),
        (_LABS, "patient,rt_start,rt_end\nP1,2011-03-09,2011-01-24\n", r"line 2: rt_end is before"),
        (_LABS, "patient,rt_start,rt_end\nP1,24.01.2011,\n", r"rt_start of patients.csv, line 2"),
        (_LABS, "patient,rt_start,rt_end\nP1,2011-01,\n", r"line 2: expected a date"),
        (_LABS.replace("note", "rt_end"), _PATIENTS, r"give the treatment dates once"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_writes_nothing(
    tmp_path: Path, labs: str, patients: str | None, says: str
) -> None:
    with pytest.raises(FileError, match=says) as error:
        grade(tmp_path, labs, patients)
    assert "2011" not in str(error.value).replace("YYYY", ""), "no value of the file is repeated"
    assert not (tmp_path / "out.csv").exists()


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_bytes(f"{_HEADER}\nM\xfcller,,,,,,\n".encode("latin-1"))
    with pytest.raises(FileError, match="not UTF-8"):
        grade_file(
            GradeFileRequest((str(tmp_path / "labs.csv"),), tmp_path / "out.csv", Rules()), _GRADERS
        )


@pytest.mark.parametrize(
    ("output", "says"),
    [("out.xlsx", r"the output is .csv or .parquet"), ("no/out.csv", r"does not exist")],
)
def test_an_output_that_cannot_be_written_is_refused_first(
    tmp_path: Path, output: str, says: str
) -> None:
    with pytest.raises(FileError, match=says):
        grade(tmp_path, _LABS, _PATIENTS, output)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere.csv: No such file"):
        grade_file(
            GradeFileRequest((str(tmp_path / "nowhere.csv"),), tmp_path / "out.csv", Rules()),
            _GRADERS,
        )


def test_a_file_that_grows_meanwhile_is_refused(tmp_path: Path) -> None:
    labs = tmp_path / "labs.csv"
    labs.write_text(f"{_HEADER}\nP1,2011-04-23,TBIL,1.8,mg/dL,0.2,1.2\n", encoding="utf-8")

    def grows(what: str, _rows: int) -> None:
        if what == "baselines":
            with labs.open("a") as file:
                file.write("P1,2011-04-24,TBIL,1.9,mg/dL,0.2,1.2\n")

    request = GradeFileRequest((str(labs),), tmp_path / "out.csv", Rules())
    with pytest.raises(FileError, match=r"labs\.csv: it was changed while it was read"):
        grade_file(request, _GRADERS, grows)
    assert not (tmp_path / "out.csv").exists()


def test_an_unknown_edition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CriteriaError, match=r"the editions are 4\.03"):
        grade_file(
            GradeFileRequest((str(tmp_path / "a.csv"),), tmp_path / "out.csv", Rules("3.0")),
            _GRADERS,
        )


def test_a_header_alone_gives_a_header(tmp_path: Path) -> None:
    report = grade(tmp_path, _HEADER + "\n")
    assert (report.rows, rows(tmp_path / "out.csv")) == (0, [])


_SDTM = "USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBSTRESN,LBSTNRHI,LBDTC,LBSTAT,LBSPEC"


@pytest.mark.parametrize(
    ("line", "grade_", "reason"),
    [
        # 1.2 mg/dL is 20.5 umol/L; 21 is that limit rounded: the reported pair decides
        ("S1,BILI,1.22,mg/dL,0.2,1.2,20.9,21,2012-03-01T10:00,,", "1", ""),
        ("S1,BILI,<0.2,mg/dL,0.2,1.2,,21,2012-03-01,,SERUM", "0", ""),
        ("S1,ALB,30,g/L,35,50,30,50,2012-03-01,,SERUM", "1", ""),
        ("S1,ALB,30,mg/L,,20,30,20,2012-03-01,,URINE", "", "other-specimen"),
        ("S1,ALT,,,,40,,40,2012-03-01,NOT DONE,", "", "missing-value"),
        ("S1,ALT,50,U/L,,40,50,40,2012-03-01,NOT DONE,", "", "missing-value"),
        ("S1,LYM,0.9,THOU/uL,1,4,0.9,4,2012-03-01,,BLOOD", "1", ""),
        ("S1,MONO,0.4,THOU/uL,0.2,1,0.4,1,2012-03-01,,BLOOD", "", "unknown-analyte"),
    ],
)
def test_sdtm_lb_is_read_as_reported(tmp_path: Path, line: str, grade_: str, reason: str) -> None:
    dm = "USUBJID,RFSTDTC,RFENDTC\nS1,2012-01-31,2012-02-29T09:00\n"
    report = grade(tmp_path, f"{_SDTM}\n{line}\n", dm)
    found = rows(tmp_path / "out.csv")[0]
    assert report.layout == "SDTM LB"
    assert (found["grade"], found["reason"], found["phase"]) == (grade_, reason, "acute")


def test_the_declared_columns_hold_the_treatment_dates(tmp_path: Path) -> None:
    """Reference start and end are those of all study treatment, often not of radiotherapy."""
    line = "S1,ALT,50,U/L,,40,50,40,2012-03-01,,"
    dm = "USUBJID,RFSTDTC,RFENDTC,RTST,RTEN\nS1,2012-01-31,2012-02-29,2011-01-31,2011-02-28\n"
    phases = []
    for options in (DEFAULT_OPTIONS, ReadOptions(treatment=("RTST", "RTEN"))):
        grade(tmp_path, f"{_SDTM}\n{line}\n", dm, options=options)
        phases.append(rows(tmp_path / "out.csv")[0]["phase"])
    assert phases == ["acute", "late"]
    with pytest.raises(FileError, match="RTST, RTOFF"):
        grade(tmp_path, f"{_SDTM}\n{line}\n", dm, options=ReadOptions(treatment=("RTST", "RTOFF")))


def test_the_cdisc_pilot_sample(shared_samples: Path, tmp_path: Path) -> None:
    labs, output = shared_samples / "sdtm_lb.csv", tmp_path / "out.parquet"
    report = grade_file(
        GradeFileRequest((str(labs),), output, Rules(), shared_samples / "sdtm_dm.csv"), _GRADERS
    )
    out, given = pl.read_parquet(output), pl.read_csv(labs, infer_schema=False)
    assert (report.rows, report.patients, report.without_dates) == (19_938, 254, 0)
    first_entries = out.unique("row", keep="first", maintain_order=True)
    assert first_entries.select(given.columns).equals(given), "nothing lost, nothing moved"
    assert report.undecided == {}, "every test of the sample is graded"
    below = out.filter((pl.col("LBTESTCD") == "BILI") & (pl.col("LBORRES") == "<0.2"))
    assert below["grade"].to_list() == [0] * 5
