"""Whatever a file holds, it is read or refused in one sentence: no reader's own failure escapes."""

import gzip
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.tabular import files
from toxgrade.criteria.reader import load
from toxgrade.errors import FileError, ToxgradeError
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest, RunSummary
from toxgrade.grading.rules import Graders, Rules
from toxgrade.tabular.damage import as_damage
from toxgrade.tabular.declared_options import with_mapping
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_GRADERS = Graders(load())
_UPPER = ReadOptions(columns=ColumnMap({name: name.upper()[:8] for name in files.HEADER}))
_NO_ROWS = pl.DataFrame(schema=dict.fromkeys(files.HEADER, pl.String))


def grade(path: Path, options: ReadOptions = DEFAULT_OPTIONS) -> RunSummary:
    output = path.with_name("out.csv")
    return grade_file(GradeFileRequest((str(path),), output, Rules(), options=options), _GRADERS)


def changed_workbook(path: Path, changes: dict[str, Callable[[bytes], bytes]]) -> None:
    """Write a good workbook with some of its parts changed."""
    files.xlsx(path, {"Labs": [files.HEADER, *files.ROWS]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, changes.get(name, bytes)(content))


_SHEET, _BOOK = "xl/worksheets/0.xml", "xl/workbook.xml"


@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        (_SHEET, lambda sheet: sheet[: len(sheet) // 2], "damaged or cut off"),
        (_SHEET, lambda _: b"", "empty; expected a header and rows|damaged"),
        (_BOOK, lambda _: b"", "damaged, protected, or not a workbook|a workbook without sheets"),
        (_BOOK, lambda book: book.replace(b'r:id="s0"', b'r:id="s9"'), "damaged, protected"),
        # one cell in the last corner: room for all others would take 500 GB
        (_SHEET, lambda sheet: sheet.replace(b'r="A2"', b'r="XFD1048576"'), "save it as CSV"),
        (_SHEET, lambda sheet: sheet.replace(b'<row r="2"', b'<row r="9999999"'), "save it as CSV"),
    ],
)  # fmt: skip
def test_a_broken_workbook(
    tmp_path: Path, part: str, change: Callable[[bytes], bytes], says: str
) -> None:
    changed_workbook(tmp_path / "a.xlsx", {part: change})
    with pytest.raises(FileError, match=rf"a\.xlsx: .*({says})"):
        grade(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pl.DataFrame({"patient\x00": ["P1"]}), "the name of a column holds a NUL character"),
        (pl.DataFrame({"\x00row": ["P1"]}), "the name of a column holds a NUL character"),
        (pl.DataFrame({"patient": ["P1"]}), "the header lacks collected"),
        (pl.DataFrame(), "the header lacks patient"),
        (pl.DataFrame({"patient": [["P1"]]}), "the column patient is of a kind that cannot be"),
    ],
)
def test_odd_columns_of_parquet(tmp_path: Path, frame: pl.DataFrame, says: str) -> None:
    frame.write_parquet(tmp_path / "a.parquet")
    with pytest.raises(FileError, match=says):
        grade(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda path: path.write_text(",".join(files.HEADER) + "\n")),
        ("a.parquet", lambda path: _NO_ROWS.write_parquet(path)),
        ("a.xlsx", lambda path: files.xlsx(path, {"Labs": [files.HEADER]})),
    ],
)
def test_a_file_without_rows_is_graded_to_none(
    tmp_path: Path, name: str, write: Callable[[Path], object]
) -> None:
    write(tmp_path / name)
    assert (grade(tmp_path / name).rows, grade(tmp_path / name).entries) == (0, 0)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.xlsx", "a.xpt", "a.ndjson"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    with pytest.raises(FileError, match=name):
        grade(tmp_path / name)


def test_an_object_that_is_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"patient": ' + "[" * 200_000)
    with pytest.raises(FileError, match=r"a\.ndjson, line 1: not JSON"):
        grade(tmp_path / "a.ndjson")


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_a_mapping_of_constants_alone(tmp_path: Path, rows: int) -> None:
    """Every row has the same patient, day and test: as many gradings as rows."""
    (tmp_path / "a.csv").write_text("ALT,AST\n" + "90,20\n" * rows)
    wide = '[[wide]]\ncolumn = "ALT"\nanalyte = "ALT"\nunit = "U/L"\nuln = "40"\n'
    constants = '[constants]\npatient = "one"\ncollected = "2020-01-01"\n'
    (tmp_path / "wide.toml").write_text(constants + wide)
    (tmp_path / "long.toml").write_text(f'{constants}analyte = "ALT"\nvalue = "90"\nunit = "U/L"\n')
    for name in ("wide.toml", "long.toml"):
        options = with_mapping([str(tmp_path / name)])
        assert grade(tmp_path / "a.csv", options).entries == rows


@pytest.mark.parametrize(
    "name",
    [
        "labs.parquet",
        "typed.parquet",
        "labs.xlsx",
        "labs.xpt",
        "labs.csv",
        "labs.csv.gz",
        "labs.csv.zst",
        "labs.ndjson",
    ],
)
def test_a_file_damaged_at_random_is_graded_or_refused(tmp_path: Path, name: str) -> None:
    """Cut anywhere, or with some bytes changed: by this, three readers were found to panic."""
    chance, told = random.Random(f"damage {name}"), list[str]()
    files.EVERY_FORMAT[name](tmp_path / name)
    good = (tmp_path / name).read_bytes()
    for _ in range(40):
        bad = bytearray(good[: chance.randrange(len(good))] if chance.random() < 0.3 else good)
        for _ in range(chance.choice((0, 1, 2, 5, 30)) if bad else 0):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        (tmp_path / name).write_bytes(bad)
        try:
            grade(tmp_path / name, _UPPER if name.endswith(".xpt") else DEFAULT_OPTIONS)
        except ToxgradeError as error:
            told.append(str(error))
    assert not [text for text in told if "TMPDIR" in text], "a fault of the file is none of a disk"


class PanicException(BaseException):
    """As each library written in Rust has it: no Exception."""


@pytest.mark.parametrize("error", [IndexError("P1"), PanicException("P1"), UnicodeError("P1")])
@pytest.mark.parametrize("writes", [False, True])
def test_a_readers_failure_is_told_without_its_message(error: BaseException, writes: bool) -> None:
    damage = as_damage(lambda: "a.csv: damaged", writes=writes)
    with pytest.raises(FileError, match=r"^a\.csv: damaged$"), damage:
        raise error


@pytest.mark.parametrize(
    ("error", "writes"),
    [(OSError(28, "No space left"), True), (KeyboardInterrupt(), False), (MemoryError(), False)],
)
def test_what_does_not_come_of_the_file_is_not_touched(error: BaseException, writes: bool) -> None:
    with pytest.raises(type(error)), as_damage(lambda: "a.csv: damaged", writes=writes):
        raise error
