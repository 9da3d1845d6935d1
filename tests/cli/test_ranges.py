"""``toxgrade ranges``: a site's table loaded, shown, refused by row and column."""

from pathlib import Path

import pytest

from tests.cli.program import toxgrade
from tests.tabular import files

_TABLE = """analyte,lln,uln,unit,lab,sex,age_from,age_to,valid_from
ALT,,34,U/L,,female,18,,2010-01-01
ALT,,45,U/L,,male,,,
WBC,4.0,10.0,10*9/L,North,,,,
"""


def test_a_table_is_loaded_and_shown_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "ranges.csv").write_text(_TABLE)
    loaded = toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path)
    assert (loaded.returncode, loaded.stdout) == (0, "")
    assert loaded.stderr.startswith("3 ranges; 0 patients")
    shown = toxgrade("ranges", "show", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, _TABLE)


def test_a_laboratory_s_name_is_no_formula_and_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "ranges.csv").write_text(_TABLE.replace("North", "=North"))
    assert toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path).returncode == 0
    shown = toxgrade("ranges", "show", cwd=tmp_path).stdout
    assert ",'=North," in shown
    (tmp_path / "ranges.csv").write_text(shown)
    toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path)
    assert toxgrade("ranges", "show", cwd=tmp_path).stdout == shown


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("ALT,,x,U/L,,,,,", "row 3, uln: expected a number of zero or more"),
        ("ALT,,45,U/L,,,x,,", "row 3, age_from: expected completed years, from 0 to 150"),
        ("ALT,,45,U/L,,woman,,,", "row 3, sex: expected female or male"),
        (",,45,U/L,,,,,", "row 3: no analyte"),
        (f"ALT,,45,U/L,{'x' * 201},,,,", "row 3, lab: expected at most 200 characters"),
        ("ALT,,45,U/L,a\x07b,,,,", "row 3, lab: expected at most 200 characters, none of them"),
        ("lead,,45,U/L,,,,,", "row 3, analyte: expected an analyte of GET /v1/analytes"),
        ("ALT,,41,U/L,,male,,,", "row 3: could apply to the same patient as an earlier row"),
        ("ALT,,41,U/L,,male,,,2010-01-01,9", "line 4: 10 fields under 9 columns"),
    ],
)
def test_a_row_that_cannot_be_accepted_is_named(tmp_path: Path, row: str, says: str) -> None:
    rows = _TABLE.splitlines()[:3]
    (tmp_path / "ranges.csv").write_text("\n".join([*rows, row]) + "\n")
    refused = toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"toxgrade: ranges.csv, {says}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_blank_rows_of_a_workbook_are_no_ranges(tmp_path: Path) -> None:
    table = [tuple(text or None for text in line.split(",")) for line in _TABLE.splitlines()]
    header, *rows = table
    blank = (None,) * len(header)
    files.xlsx(tmp_path / "ranges.xlsx", {"Ranges": [header, blank, *rows, blank, (" ",)]})
    assert toxgrade("ranges", "load", "ranges.xlsx", cwd=tmp_path).returncode == 0
    assert toxgrade("ranges", "show", cwd=tmp_path).stdout == _TABLE
    wrong = ("ALT", None, "x", "U/L")
    files.xlsx(tmp_path / "ranges.xlsx", {"Ranges": [header, rows[0], blank, wrong]})
    refused = toxgrade("ranges", "load", "ranges.xlsx", cwd=tmp_path)
    assert "ranges.xlsx, row 3, uln: expected a number" in refused.stderr


def test_a_table_that_is_too_long_is_told(tmp_path: Path) -> None:
    (tmp_path / "ranges.csv").write_text("analyte,uln,unit\n" + "ALT,40,U/L\n" * 5001)
    refused = toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("toxgrade: ranges.csv: expected at most 5,000 rows")


def test_every_faulty_row_is_told(tmp_path: Path) -> None:
    rows = "ALT,,x,U/L\nALT,,45,\nALT,,45,U/L\nALT,y,z,U/L\n"
    (tmp_path / "ranges.csv").write_text("analyte,lln,uln,unit\n" + rows)
    refused = toxgrade("ranges", "load", "ranges.csv", cwd=tmp_path)
    told = [line.removeprefix("toxgrade: ranges.csv, ") for line in refused.stderr.splitlines()]
    places = ["row 1, uln", "row 2", "row 4, lln", "row 4, uln"]
    assert [line.partition(":")[0] for line in told] == places


def test_a_study_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "ranges.csv").write_text(_TABLE)
    refused = toxgrade("ranges", "load", "ranges.csv", "--study", "none", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("toxgrade: there is no such study")
