"""An export with texts that a spreadsheet would run, graded into every file and compared again."""

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.exports.compared_files import GRADERS
from toxgrade.exports.compare_adlb import compare
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest, RunSummary
from toxgrade.grading.rules import Rules
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import ReadOptions

_RUN = "=cmd|' /C calc'!A1"
_HEADER = [
    "patient", "collected", "analyte", "value", "unit", "lln", "uln", "rt_start", "rt_end", "note",
    "=x",
]  # fmt: skip
_DATES = ["2024-01-10", "2024-02-20"]
_ROWS = [
    ["P1", "2024-01-05", "ALT", "20", "U/L", "", "40", *_DATES, "-1.5", ""],
    ["P1", "2024-03-02", "ALT", "250", "U/L", "", "40", *_DATES, "+++", "-"],
    ["-A", "2024-01-05", "ALT", "20", "U/L", "", "40", *_DATES, _RUN, ""],
    ["-A", "2024-03-02", "ALT", "250", "U/L", "", "40", *_DATES, "see; @x", "<0.1"],
    ["'-A", "2024-03-02", "ALT", "130", "U/L", "", "40", *_DATES, "", ""],
    ["P2", "2024-03-02", "ALT", "-5 U/L", "U/L", "", "40", *_DATES, "", "- 5"],
    ["P2", "2024-03-03", "ALT", "50", _RUN, "", "40", *_DATES, "", "+/-"],
    ["P2", "2024-03-04", _RUN, "50", "U/L", "", "40", *_DATES, "", "2011-04-23"],
]


def _grade(folder: Path, output: str, **side: Any) -> RunSummary:
    with (folder / "labs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_HEADER, *_ROWS])
    request = GradeFileRequest((str(folder / "labs.csv"),), folder / output, Rules(), **side)
    return grade_file(request, GRADERS)


def _cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_what_changes_and_what_is_told(tmp_path: Path) -> None:
    report = _grade(
        tmp_path, "out.csv", rejects=tmp_path / "rejects.csv", worst=tmp_path / "worst.csv"
    )
    header, *rows = _cells(tmp_path / "out.csv")
    assert header[: len(_HEADER)] == [*_HEADER[:-1], "'=x"]
    changed = {
        (given, written)
        for before, after in zip(_ROWS, rows, strict=True)
        for given, written in zip(before, after, strict=False)
        if given != written
    }
    assert changed == {
        ("-A", "'-A"), ("'-A", "''-A"), (_RUN, f"'{_RUN}"), ("see; @x", "see;' @x"),
        ("-5 U/L", "'-5 U/L"),
    }  # fmt: skip
    assert {row[0] for row in _cells(tmp_path / "worst.csv")[1:]} == {"P1", "P2", "'-A", "''-A"}
    told = dict(report.behind_apostrophe)
    assert told == {"patient": 3 + 2, "note": 2, "value": 1, "unit": 1, "analyte": 1, "=x": 1}
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text())
    assert manifest["counts"]["behind_apostrophe"] == told


def test_a_rejected_column_is_no_formula(tmp_path: Path) -> None:
    with (tmp_path / "labs.csv").open("w", encoding="utf-8", newline="") as file:
        file.write("patient,collected,analyte,=v,unit,lln,uln\nP1,2024-01-05,ALT,x,U/L,,40\n")
    options = ReadOptions(columns=ColumnMap({"value": "=v"}))
    request = GradeFileRequest(
        (str(tmp_path / "labs.csv"),), tmp_path / "out.csv", Rules(),
        rejects=tmp_path / "rejects.csv", options=options,
    )  # fmt: skip
    grade_file(request, GRADERS)
    assert _cells(tmp_path / "rejects.csv")[1][3:] == ["'=v", "unreadable-value"]


@pytest.mark.parametrize("output", ["out.parquet", "out.ndjson"])
def test_parquet_and_ndjson_hold_every_text_as_it_was(tmp_path: Path, output: str) -> None:
    report = _grade(tmp_path, output)
    read = pl.read_parquet if output.endswith("parquet") else pl.read_ndjson
    given = read(tmp_path / output).select(_HEADER).fill_null("").rows()
    assert given == [tuple(row) for row in _ROWS]
    assert report.behind_apostrophe == {}


@pytest.mark.parametrize("ours", ["out.csv", "out.tsv", "out.parquet"])
@pytest.mark.parametrize("theirs", ["out.csv", "out.parquet"])
def test_files_with_and_without_apostrophes_are_compared(
    tmp_path: Path, ours: str, theirs: str
) -> None:
    """``-A`` and ``'-A`` are two patients in each of them."""
    for name in {ours, theirs}:
        _grade(tmp_path, name)
    keys = [(name, name) for name in ("patient", "collected", "analyte")]
    found = compare(tmp_path / ours, tmp_path / theirs, keys, GRADERS)
    assert found.differences.is_empty()
    assert found.agreed == {"Alanine aminotransferase increased": 5}
