"""Cells filled once for several rows (merged cells): filled on the caller's word, never further."""

from pathlib import Path

import polars as pl
import pytest

from tests.tabular import files
from toxgrade.errors import FileError
from toxgrade.tabular.declared_options import with_mapping
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions
from toxgrade.tabular.table import FILLED, LINE

_HEADER = ("patient", "sex", "collected", "analyte", "value", "unit", "lln", "uln")


def rows(path: Path, work: Path, options: ReadOptions) -> list[tuple[str | None, ...]]:
    """Patient, day and whether something was filled, of each row; equal for pieces of any size."""
    found = []
    for size in (1, 2, 3, 1000):
        labs = open_labs([path], work, options)
        shown = [c.rows.select("patient", "collected", FILLED) for c in labs.chunks(size=size)]
        found.append(pl.concat(shown).rows())
    assert all(one == found[0] for one in found)
    return found[0]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def export(path: Path, lines: str) -> Path:
    """Write an export of ``patient sex collected`` lines, ``.`` for an empty cell; blank: blank."""
    cells: list[tuple[str | None, ...]] = [_HEADER]
    for line in lines.strip("\n").split("\n"):
        first = tuple(None if word == "." else word for word in line.split())
        if first == _HEADER[:3]:
            cells.append(_HEADER)
            continue
        cells.append((*first, "ALT", "30", "U/L", None, "40") if first else (None,) * 8)
    files.xlsx(path, {"Labs": cells})
    return path


@pytest.mark.parametrize(
    ("columns", "lines", "patients"),
    [
        ("patient", "P1 . 01\n. . 02\nP2 . 03\n. . 04", "P1 P1+ P2 P2+"),
        # nothing stands above the first row
        ("patient", ". . 01\nP1 . 02\n. . 03", "- P1 P1+"),
        # a blank row, which is left out, ends a table
        ("patient", "P1 . 01\n\n. . 03\n. . 04", "P1 - -"),
        ("patient", "P1 . 01\n\n\n. . 03\nP2 . 04\n. . 05\n\n. . 06", "P1 - P2 P2+ -"),
        # so does a header, as of a second table below the first
        ("patient", "P1 . 01\npatient sex collected\n. . 03", "P1 - -"),
        # other columns of the patient, if they are named: another sex is another patient
        ("patient,sex", "P1 f 01\n. . 02\n. m 03\n. . 04", "P1 P1+ - -"),
        ("patient,sex", "P1 f 01\n. f 02\nP2 . 03\n. f 04", "P1 P1+ P2 -"),
        ("patient,sex", "P1 f 01\n. m 02\nP2 m 03\n. . 04", "P1 - P2 P2+"),
        # a patient named on every row of his, and the sex only on the first
        ("patient,sex", "P1 f 01\nP1 . 02\n. . 03\nP2 . 04", "P1 P1+ P1+ P2"),
    ],
)
def test_patients(tmp_path: Path, work: Path, columns: str, lines: str, patients: str) -> None:
    options = ReadOptions(fill_down=tuple(columns.split(",")))
    found = rows(export(tmp_path / "a.xlsx", lines), work, options)
    shown = [f"{patient or '-'}{'+' * (filled == 'Y')}" for patient, _, filled in found]
    expected = patients.split()
    if "sex collected" in lines:  # The header row itself is left out.
        del expected[1]
    assert shown == expected


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        # the day is filled within one patient
        ("P1 . 01\n. . .\n. . 02\n. . .", "P1:01 P1:01 P1:02 P1:02"),
        ("P1 . 01\nP2 . .\n. . 02", "P1:01 P2:- P2:02"),
        ("P1 . 01\nP1 . .\nP2 . .", "P1:01 P1:01 P2:-"),
        ("P1 . 01\n\n. . .", "P1:01 -:-"),
        # the same patient below a blank row begins again
        ("P1 . 01\n\nP1 . .\nP1 . 02\nP1 . .", "P1:01 P1:- P1:02 P1:02"),
    ],
)
def test_days_are_filled_within_a_patient(
    tmp_path: Path, work: Path, lines: str, days: str
) -> None:
    options = ReadOptions(fill_down=("patient", "collected"))
    found = rows(export(tmp_path / "a.xlsx", lines), work, options)
    assert [f"{who or '-'}:{day or '-'}" for who, day, _ in found] == days.split()


@pytest.mark.parametrize(
    ("fill", "lines", "cells"),
    [
        # a blank row of CSV stays, as a row without a patient
        ("patient", "P1,01\n,\n,03\nP2,04\n,05", "P1:01 -:- -:03 P2:04 P2:05"),
        ("collected", "P1,01\nP1,\n,\nP1,\nP1,02\nP1,", "P1:01 P1:01 -:- P1:- P1:02 P1:02"),
    ],
)
def test_never_across_a_blank_row_of_csv(
    tmp_path: Path, work: Path, fill: str, lines: str, cells: str
) -> None:
    header = "patient,collected,analyte,value,unit,lln,uln"
    (tmp_path / "a.csv").write_text(f"{header}\n" + "".join(f"{x},,,,,\n" for x in lines.split()))
    found = rows(tmp_path / "a.csv", work, ReadOptions(fill_down=(fill,)))
    assert [f"{who or '-'}:{day or '-'}" for who, day, _ in found] == cells.split()


@pytest.mark.parametrize(("blank", "day"), [("", "01"), ("\n", None)])
def test_never_across_a_blank_row_of_one_patient_who_is_a_constant(
    tmp_path: Path, work: Path, blank: str, day: str | None
) -> None:
    path = export(tmp_path / "a.xlsx", f"P1 . 01\n{blank}P1 . .")
    columns = ColumnMap(constants={"patient": "one"})
    options = ReadOptions(fill_down=("collected",), columns=columns)
    assert [found for _, found, _ in rows(path, work, options)] == ["01", day]


def test_never_from_one_file_into_the_next(tmp_path: Path, work: Path) -> None:
    paths = [export(tmp_path / "1.xlsx", "P1 . 01"), export(tmp_path / "2.xlsx", ". . 02")]
    labs = open_labs(paths, work, ReadOptions(fill_down=("patient",)))
    assert [chunk.rows["patient"].to_list() for chunk in labs.chunks()] == [["P1"], [None]]


def test_rt_dates_of_another_patient_end_it(tmp_path: Path, work: Path) -> None:
    header = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end"
    lines = "P1,d,ALT,1,U/L,,40,{},\n,d,ALT,1,U/L,,40,{},\n"
    path = tmp_path / "a.csv"
    for first, second, patient in (("1", "1", "P1"), ("1", "", "P1"), ("1", "2", None)):
        path.write_text(f"{header}\n{lines.format(first, second)}")
        assert rows(path, work, ReadOptions(fill_down=("patient",)))[1][0] == patient


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        ("patients", "fill-down names patients, a column that is not there"),
        ("value", "value is never filled down: it would invent results"),
        ("patient,unit", "unit is never filled down: it would invent results"),
    ],
)
def test_what_is_not_filled(tmp_path: Path, work: Path, fill: str, says: str) -> None:
    path = export(tmp_path / "a.xlsx", "P1 . 01")
    labs = open_labs([path], work, ReadOptions(fill_down=tuple(fill.split(","))))
    with pytest.raises(FileError, match=says):
        list(labs.chunks())


def test_a_mapping_may_say_it(tmp_path: Path, work: Path) -> None:
    (tmp_path / "a.csv").write_text("id,day,ALT\nP1,2011-01-20,30\n,2011-01-21,31\n")
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        '[columns]\npatient = "id"\ncollected = "day"\n'
        '[[wide]]\ncolumn = "ALT"\nanalyte = "ALT"\n[read]\nfill_down = ["patient"]\n'
    )
    options = with_mapping([str(mapping)])
    assert [row[0] for row in rows(tmp_path / "a.csv", work, options)] == ["P1", "P1"]
    mapping.write_text('[read]\nfilldown = ["patient"]\n')
    with pytest.raises(FileError, match=r"map.toml: \[read\] filldown: expected any of encoding"):
        with_mapping([str(mapping)])


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        (["SYN1 ", "SYN1", "\tSYN1"], ["SYN1", "SYN1", "SYN1"]),
        ([" ", "SYN 1", None], [None, "SYN 1", None]),
    ],
)
@pytest.mark.parametrize("spilled", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_identifiers_are_trimmed_and_a_blank_one_is_none(
    tmp_path: Path, work: Path, patients: list[str | None], expected: list[str | None],
    spilled: bool, mapped: bool,
) -> None:  # fmt: skip
    name = "id" if mapped else "patient"
    lines = [f"{who or ''},2011-01-20,ALT,30,U/L,,40" for who in patients]
    header = f"{name},collected,analyte,value,unit,lln,uln"
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]) + "\n")
    options = ReadOptions(columns=ColumnMap({"patient": "id"})) if mapped else DEFAULT_OPTIONS
    labs = open_labs([tmp_path / "a.csv"], work, options)
    chunks = (labs.spilled(work) if spilled else labs).chunks(size=2)
    assert [who for chunk in chunks for who in chunk.rows["patient"]] == expected


@pytest.mark.parametrize("spilled", [False, True])
def test_header_rows_of_joined_files_are_left_out_and_counted(
    tmp_path: Path, work: Path, spilled: bool
) -> None:
    header, row = ",".join(files.HEADER), "P{},2011-01-20,ALT,30,U/L,,40"
    lines = [header, row.format(1), header, row.format(2), header, row.format(1)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    labs = open_labs([tmp_path / "a.csv"], work)
    chunks = list((labs.spilled(work) if spilled else labs).chunks(size=2))
    assert sum(chunk.headers for chunk in chunks) == 2
    assert [who for chunk in chunks for who in chunk.rows["patient"]] == ["P1", "P2", "P1"]
    assert [line for chunk in chunks for line in chunk.rows[LINE]] == [2, 4, 6]
    assert all(len(chunk.given) == len(chunk.rows) == chunk.file_rows for chunk in chunks)
