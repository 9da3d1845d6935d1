"""SAS transport files of several data sets: one is read, by its name, and none is guessed."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyreadstat
import pytest

from toxgrade.errors import FileError
from toxgrade.tabular import sas_transport
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.sas_transport import find_members

_LIBRARY_HEADER = 3 * 80  # Bytes.
_LB = ("USUBJID", "LBTESTCD", "LBORRES", "LBORRESU", "LBORNRLO", "LBORNRHI", "LBDTC")
_LB_ROWS: list[tuple[str, ...]] = [
    ("S-1", "ALT", "30", "U/L", "", "40", "2024-01-02"),
    ("S-1", "ALT", "230", "U/L", "", "40", "2024-03-01"),
    ("S-2", "ALT", "50", "U/L", "", "40", "2024-03-02"),
]
_LBHE_ROWS: list[tuple[str, ...]] = [("S-3", "ALT", "500", "U/L", "", "40", "2024-03-01")]
_DM = ("USUBJID", "RFSTDTC", "RFENDTC")
_DM_ROWS: list[tuple[str, ...]] = [
    ("S-1", "2024-01-10", "2024-02-20"),
    ("S-2", "2024-01-10", "2024-02-20"),
]
_Version = Literal[5, 8]
_MEMBERS: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "LB": (_LB, _LB_ROWS),
    "LBHE": (_LB, _LBHE_ROWS),
    "DM": (_DM, _DM_ROWS),
}


def library(path: Path, names: list[str], version: _Version) -> Path:
    """Write the named members one after the other, as SAS writes a library."""
    content = b""
    for name in names:
        columns, rows = _MEMBERS[name]
        frame = pl.DataFrame(rows, schema=list(columns), orient="row").to_pandas()
        pyreadstat.write_xport(frame, path, table_name=name, file_format_version=version)
        written = path.read_bytes()
        content += written[_LIBRARY_HEADER:] if content else written
    path.write_bytes(content)
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize(
    ("names", "sheet", "patients"),
    [
        (["LB"], None, ["S-1", "S-1", "S-2"]),
        (["LB"], "LB", ["S-1", "S-1", "S-2"]),
        (["LB", "LBHE"], "LB", ["S-1", "S-1", "S-2"]),
        (["LB", "LBHE"], "LBHE", ["S-3"]),
        (["DM", "LB"], "LB", ["S-1", "S-1", "S-2"]),
        (["LB", "DM", "LBHE"], "LBHE", ["S-3"]),
    ],
)
def test_a_member_is_read_alone(
    tmp_path: Path, work: Path, version: _Version, names: list[str], sheet: str | None,
    patients: list[str],
) -> None:  # fmt: skip
    path = library(tmp_path / "a.xpt", names, version)
    assert [member.name for member in find_members(path)] == names
    labs = open_labs([path], work, ReadOptions(sheet=sheet))
    (chunk,) = labs.chunks()
    assert chunk.rows["patient"].to_list() == patients
    told = f"SAS XPT, member {sheet}" if len(names) > 1 else "SAS XPT"
    assert labs.tables[0].told == told


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize(
    ("names", "sheet", "says"),
    [
        (["LB", "LBHE"], None, r"several members \(LB, LBHE\); name one with --sheet"),
        (["DM", "LB"], None, r"several members \(DM, LB\); name one with --sheet"),
        (["LB", "DM"], "SUPPLB", "there is no such member; it has LB, DM"),
        (["LB"], "DM", "there is no such member; it has LB"),
        (["LB", "LB"], "LB", "two members are named LB"),
    ],
)
def test_no_member_is_guessed(
    tmp_path: Path, work: Path, version: _Version, names: list[str], sheet: str | None, says: str
) -> None:
    path = library(tmp_path / "a.xpt", names, version)
    with pytest.raises(FileError, match=says):
        open_labs([path], work, ReadOptions(sheet=sheet))


def test_a_library_of_which_one_member_is_read_has_the_hash_of_the_whole(
    tmp_path: Path, work: Path
) -> None:
    path = library(tmp_path / "a.xpt", ["LB", "DM"], 5)
    hashes = {open_table(path, ReadOptions(sheet=name), work).sha256 for name in ("LB", "DM")}
    assert len(hashes) == 1


def test_a_text_like_a_members_header_is_data(tmp_path: Path, work: Path) -> None:
    text = "HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!"
    frame = pl.DataFrame({"A": [text.ljust(80) * 2] * 3}).to_pandas()
    pyreadstat.write_xport(frame, tmp_path / "a.xpt", table_name="LB", file_format_version=5)
    assert [member.name for member in find_members(tmp_path / "a.xpt")] == ["LB"]
    (piece,) = open_table(tmp_path / "a.xpt", ReadOptions(), work).chunks(["A"])
    assert len(piece) == 3


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("rows_per_piece", [1, 2, 3, 50_000])
@pytest.mark.parametrize(
    "texts",
    [
        ["a", "", "", "", "b", "", "c"],
        ["", "", "a"],
        ["x" * 200, "", "y" * 199, "z"],
        ["a"],
    ],
)
def test_rows_are_the_same_however_many_are_read_at_once(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch, version: _Version,
    rows_per_piece: int, texts: list[str],
) -> None:  # fmt: skip
    """Blank rows between others count, also where a piece ends with them."""
    monkeypatch.setattr(sas_transport, "_ROWS_PER_PIECE", rows_per_piece)
    frame = pl.DataFrame({"A": texts}).to_pandas()
    pyreadstat.write_xport(frame, tmp_path / "a.xpt", table_name="LB", file_format_version=version)
    (piece,) = open_table(tmp_path / "a.xpt", ReadOptions(), work).chunks(["A"])
    assert piece["A"].fill_null("").to_list() == texts


def _read_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> int:
    """The bytes that the reader beneath is given while a file of so many rows is read."""
    frame = pl.DataFrame({"A": ["12345678"] * rows}).to_pandas()
    pyreadstat.write_xport(frame, tmp_path / "a.xpt", table_name="LB", file_format_version=5)
    read, given = pyreadstat.read_xport, list[int]()

    def counting(file: BytesIO, **more: Any) -> Any:
        given.append(len(file.getvalue()))
        return read(file, **more)

    monkeypatch.setattr(sas_transport, "_ROWS_PER_PIECE", 100)
    monkeypatch.setattr(pyreadstat, "read_xport", counting)
    table = open_table(tmp_path / "a.xpt", ReadOptions(), tmp_path)
    assert sum(map(len, table.chunks(["A"]))) == rows
    monkeypatch.undo()
    return sum(given)


def test_twice_as_many_rows_take_twice_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader went over all rows before those of a piece: a million took 33 s."""
    once, twice = (_read_bytes(tmp_path, monkeypatch, rows) for rows in (4_000, 8_000))
    assert twice < 2.1 * once


def _without_last_record(content: bytes) -> bytes:
    return content[:-80]


def _with_more_rows_declared(content: bytes) -> bytes:
    return content.replace(b"3".rjust(15), b"9".rjust(15))


def _with_fewer_rows_declared(content: bytes) -> bytes:
    return content.replace(b"3".rjust(15), b"2".rjust(15))


@pytest.mark.parametrize(
    ("version", "damage"),
    [
        (5, _without_last_record),
        (8, _without_last_record),
        (8, _with_more_rows_declared),
        (8, _with_fewer_rows_declared),
    ],
)
def test_a_file_cut_off_between_two_records_loses_no_row_silently(
    tmp_path: Path, work: Path, version: _Version, damage: Callable[[bytes], bytes]
) -> None:
    frame = pl.DataFrame({"A": ["a" * 190, "b" * 190, "c" * 190]}).to_pandas()
    path = tmp_path / "a.xpt"
    pyreadstat.write_xport(frame, path, table_name="LB", file_format_version=version)
    good = path.read_bytes()
    assert good != damage(good)
    path.write_bytes(damage(good))
    with pytest.raises(FileError, match=r"^a\.xpt: damaged or cut off$"):
        open_table(path, ReadOptions(), work)
