"""SAS transport files of several data sets: one is read, by its name, and none is guessed."""

from pathlib import Path
from typing import Literal

import polars as pl
import pyreadstat
import pytest

from toxgrade.errors import FileError
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
