"""What ``toxgrade inspect`` guesses of columns, and what it asks instead of guessing.

A wrong patient, day or value gives grades that look right: "4 of 4 decided".
"""

import tomllib
from pathlib import Path

import pytest

from toxgrade.criteria.reader import load
from toxgrade.exports.inspect.inspect_files import inspect_files
from toxgrade.exports.inspect.inspection import Inspection

_REST = {"Test": "ALT", "Result": "121", "Unit": "U/L", "ULN": "40"}
_ROWS = (("P1", "2011-01-20"), ("P2", "2011-02-03"))


def _look(tmp_path: Path, *files: str) -> Inspection:
    paths = []
    for number, text in enumerate(files):
        paths.append(tmp_path / f"labs-{number}.csv")
        paths[-1].write_text(text, "utf-8")
    return inspect_files([str(path) for path in paths], load(only="4.03"), load, preview=0)


def _file(columns: dict[str, list[str]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join(",".join(row) for row in [[*columns], *rows]) + "\n"


def _columns(found: Inspection) -> dict[str, str]:
    columns: dict[str, str] = tomllib.loads(found.mapping).get("columns", {})
    return columns


@pytest.mark.parametrize(
    ("columns", "ours", "expected"),
    [
        ({"Patient Type": ["in", "out"], "Patient ID": ["P1", "P2"]}, "patient", "Patient ID"),
        ({"Patient Name": ["A", "B"], "Patient ID": ["P1", "P2"]}, "patient", "Patient ID"),
        # A site, a sample or initials name no patient, even where nothing else seems to.
        ({"Site ID": ["040", "040"], "Screening Number": ["1", "2"]}, "patient", None),
        ({"Sample ID": ["L1", "L2"], "Hospital Number": ["1", "2"]}, "patient", None),
        ({"Study No": ["17", "17"], "Patient Initials": ["AB", "CD"]}, "patient", None),
        ({"Subject": ["P1", "P2"], "Person": ["Q1", "Q2"]}, "patient", None),
    ],
)
def test_patients(
    columns: dict[str, list[str]], ours: str, expected: str | None, tmp_path: Path
) -> None:
    rest = {"Drawn": [day for _, day in _ROWS]} | {n: [text] * 2 for n, text in _REST.items()}
    _assert_guess(_look(tmp_path, _file(columns | rest)), ours, expected)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"Received Date": ["2011-06-15"] * 2, "Sample Date": ["2011-01-20"] * 2}, "Sample Date"),
        ({"Report Date": ["2011-07-01"] * 2, "Collection Date": ["2011-01-20"] * 2},
         "Collection Date"),
        ({"Geboortedatum": ["1950-03-14"] * 2, "Afnamedatum": ["2011-01-20"] * 2}, "Afnamedatum"),
        ({"Drawn": ["2011-01-20"] * 2, "Collected": ["2011-01-21"] * 2}, None),
        ({"Baseline visit": ["2011-01-20"] * 2}, None),
    ],
)  # fmt: skip
def test_days(columns: dict[str, list[str]], expected: str | None, tmp_path: Path) -> None:
    rest = {"Patient": ["P1", "P2"]} | {n: [text] * 2 for n, text in _REST.items()}
    _assert_guess(_look(tmp_path, _file(columns | rest)), "collected", expected)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"Age": ["63", "71"], "Reading": ["121", "31"]}, None),
        ({"Leeftijd": ["63", "71"], "Uitslag": ["121", "31"]}, "Uitslag"),
        # Without its sign, >200 would be 200: grade 2 instead of 2 or more.
        ({"Value": [">200", "31"], "ValueNum": ["200", "31"]}, "Value"),
        ({"Value": ["200", "31"], "ValueNum": ["200", "31"]}, None),
    ],
)
def test_values(columns: dict[str, list[str]], expected: str | None, tmp_path: Path) -> None:
    rest = {n: [text] * 2 for n, text in _REST.items() if n != "Result"}
    named = {"Patient": ["P1", "P2"], "Drawn": [day for _, day in _ROWS]}
    _assert_guess(_look(tmp_path, _file(named | columns | rest)), "value", expected)


@pytest.mark.parametrize(
    ("columns", "ours", "expected"),
    [
        ({"Normal High": ["40", "40"], "Critical High": ["200", "200"]}, "uln", None),
        ({"High": ["40", "40"], "Critical High": ["200", "200"]}, "uln", "High"),
        ({"Result Unit": ["U/L"] * 2, "Range Unit": ["U/L"] * 2}, "unit", None),
        ({"Unit": ["U/L"] * 2, "SI Unit": ["ukat/L"] * 2}, "unit", "Unit"),
    ],
)
def test_units_and_limits(
    columns: dict[str, list[str]], ours: str, expected: str | None, tmp_path: Path
) -> None:
    named = {"Patient": ["P1", "P2"], "Drawn": [day for _, day in _ROWS]}
    rest = {"Test": ["ALT"] * 2, "Result": ["121"] * 2} | columns
    _assert_guess(_look(tmp_path, _file(named | rest)), ours, expected)


def _assert_guess(found: Inspection, ours: str, expected: str | None) -> None:
    assert _columns(found).get(ours) == expected
    assert any(ours in question for question in found.questions) == (expected is None)


def _rows(*rows: tuple[str, str], **more: str) -> str:
    columns = {"Patient": [p for p, _ in rows], "Drawn": [day for _, day in rows]}
    rest = {name: [text] * len(rows) for name, text in (_REST | more).items()}
    return _file(columns | rest)


def test_a_missing_patient_among_repeated_ones_is_not_filled_down(tmp_path: Path) -> None:
    days = ("2011-01-20", "2011-01-21", "2011-01-22", "2011-01-23")
    rows = zip(("P1", "P1", "", "P2"), days, strict=True)
    found = _look(tmp_path, _rows(*rows))
    assert "fill_down" not in found.mapping.partition("[read]")[2]
    assert any("have no patient" in question for question in found.questions)


def test_the_order_of_dates_is_that_of_all_files(tmp_path: Path) -> None:
    first = _rows(("P1", "4/5/2011"))
    second = _rows(("P1", "1/20/2011"), ("P2", "4/5/2011"))
    assert '"%m/%d/%Y"' in _look(tmp_path, first, second).mapping
    assert (
        '"%m.%d.%Y"' in _look(tmp_path, _rows(("P1", "01.20.2011"), ("P1", "04.05.2011"))).mapping
    )
    mixed = _look(tmp_path, _rows(("P1", "20.01.2011"), ("P1", "01.20.2011")))
    assert any("1/2/2011" in question for question in mixed.questions)


def test_statuses_that_are_not_read_are_asked_for(tmp_path: Path) -> None:
    own = _look(tmp_path, _rows(*_ROWS, **{"Result Status": "cancelled"}))
    assert _columns(own)["status"] == "Result Status"
    theirs = _look(tmp_path, _rows(*_ROWS, **{"Result Status": "X"}))
    assert any("'Result Status'" in question for question in theirs.questions)


def test_numbers_of_nine_digits_are_no_specimens(tmp_path: Path) -> None:
    found = _look(tmp_path, _rows(*_ROWS, **{"Order No": "110023450"}))
    assert "specimen" not in _columns(found)
    assert found.decided == len(_ROWS)


@pytest.mark.parametrize(
    ("numbers", "is_asked"),
    [
        (("250.000", "6.800"), True),
        (("6.800", "12.5"), True),
        (("1.234", "12.5"), False),
        (("1.234", "2.345"), True),
    ],
)
def test_a_point_may_stand_for_thousands(
    numbers: tuple[str, str], *, is_asked: bool, tmp_path: Path
) -> None:
    columns = {"Patient": ["P1", "P2"], "Drawn": [day for _, day in _ROWS], "Result": [*numbers]}
    rest = {n: [text] * 2 for n, text in _REST.items() if n != "Result"}
    found = _look(tmp_path, _file(columns | rest))
    assert any("1.234" in question for question in found.questions) == is_asked


def test_what_cannot_be_split_is_refused_by_its_reader(tmp_path: Path) -> None:
    found = _look(tmp_path, _rows(("P1", "2011-01-20"), Note="x" * 140_000))
    assert found.decided == 1
