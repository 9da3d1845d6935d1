"""A workbook that would become too large is refused before it is read; an honest one never is."""

import zipfile
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import process_time

import pytest

from tests.tabular import files
from tests.tabular.test_damaged_files import changed_workbook
from toxgrade.errors import FileError
from toxgrade.tabular.open_file import open_table
from toxgrade.tabular.read_options import DEFAULT_OPTIONS
from toxgrade.tabular.table import Table

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_SHEET = "xl/worksheets/0.xml"
_HEADER = "".join(
    f'<c r="{chr(65 + i)}1" t="inlineStr"><is><t>{name}</t></is></c>'
    for i, name in enumerate(files.HEADER)
)
_ROW = '<row r="{0}"><c r="A{0}" t="s"><v>{1}</v></c></row>'


def workbook(path: Path, rows: str, texts: str = "", sheets: int = 1) -> Path:
    """Write a workbook of a header, rows and shared texts; more sheets are the same part."""
    sheet = (
        f'<worksheet {_MAIN}><sheetData><row r="1">{_HEADER}</row>{rows}</sheetData></worksheet>'
    )
    more = "".join(f'<sheet name="s{i}" sheetId="{i + 9}" r:id="s0"/>' for i in range(1, sheets))
    changed_workbook(
        path,
        {
            _SHEET: lambda _: sheet.encode(),
            "xl/workbook.xml": lambda book: book.replace(b"</sheets>", f"{more}</sheets>".encode()),
        },
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", f"<sst {_MAIN}>{texts}</sst>")
    return path


def opened(path: Path) -> Table:
    return open_table(path, DEFAULT_OPTIONS, path.parent)


def patients(table: Table) -> list[str | None]:
    return [text for piece in table.chunks(["patient"]) for text in piece["patient"]]


def _text(length: int) -> str:
    return f"<si><t>{'x' * length}</t></si>"


_IN_RUNS = "<si>" + f"<r><t>{'x' * 500}</t></r>" * 40 + "</si>"
_IN_PIECES = "<si><t>" + ("x" * 500 + "<!-- -->") * 40 + "</t></si>"
_CELLS = "".join(_ROW.format(n, 1) for n in range(2, 3002))


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        # 3,000 cells refer to one text of 20,000 characters, together 60 million
        (_CELLS, _text(1) + _text(20_000)),
        (_CELLS, _text(1) + _IN_RUNS),
        (_CELLS, _text(1) + _IN_PIECES),
        # the number of the text, and the cell, in another spelling
        (_CELLS.replace("<v>1<", "<v>001<"), _text(1) + _text(20_000)),
        (_CELLS.replace(' t="s"', " t = 's' "), _text(1) + _text(20_000)),
        (_CELLS.replace("<v>1</v>", "<v>0</v><v>1</v>"), _text(1) + _text(20_000)),
        (_CELLS.replace("<row", "<x:row").replace("</row", "</x:row"), _text(1) + _text(20_000)),
    ],
)  # fmt: skip
def test_a_long_text_that_many_cells_refer_to(tmp_path: Path, rows: str, texts: str) -> None:
    path = workbook(tmp_path / "a.xlsx", rows, texts)
    before = getrusage(RUSAGE_SELF).ru_maxrss
    says = r"^a\.xlsx: texts of more than 1,000 characters .* 50 times as long; save it as CSV$"
    with pytest.raises(FileError, match=says):
        opened(path)
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 40_000, "kilobytes; the texts take 60,000"


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        # read by others as the number of the long text, although it is written as another's
        (_CELLS.replace("<v>1<", "<v>1<!-- -->0<"), _text(1) * 11),
        (_CELLS.replace("<v>1<", "<v> 1<"), _text(1) * 2),
        (_CELLS.replace("<v>1<", "<v>one<"), _text(1) * 2),
        # a text within a text
        (_CELLS, "<si><t><si/></t></si>" + _text(1)),
    ],
)
def test_what_could_be_counted_otherwise_than_it_is_read(
    tmp_path: Path, rows: str, texts: str
) -> None:
    with pytest.raises(FileError, match=r"^a\.xlsx: damaged or cut off$"):
        opened(workbook(tmp_path / "a.xlsx", rows, texts + _text(2000)))


@pytest.mark.parametrize(
    ("cells", "length"),
    [
        (3000, 1000),  # a remark on every row
        (20, 32_767),  # the longest that Excel keeps
        (1, 5_000_000),  # a text that is there once
    ],
)
def test_long_texts_of_a_laboratory_are_read(tmp_path: Path, cells: int, length: int) -> None:
    rows = "".join(_ROW.format(n, 0) for n in range(2, cells + 2))
    table = opened(workbook(tmp_path / "a.xlsx", rows, _text(length)))
    assert patients(table) == ["x" * length] * cells


_VALUE = "<v>1</v></c></row>"


@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="1048576"><c r="XFD1048576">{_VALUE}',
        f'<row><c r="XFD1048576">{_VALUE}',
        f'<row><c r = "XFD1048576">{_VALUE}',
        f"<row><c\nr='xfd01048576'>{_VALUE}",
        f'<row r="0001048576"><c r="XFD2">{_VALUE}',
        # a cell without a place stands to the right of the one before
        f'<row>{"<c/>" * 99}<c>{_VALUE}<row r="1048576"><c r="A1048576">{_VALUE}',
        '<x:row r="1048576"><x:c r="AAA1048576"><x:v>1</x:v></x:c></x:row>',
    ],
)  # fmt: skip
def test_a_cell_far_away(tmp_path: Path, rows: str) -> None:
    with pytest.raises(FileError, match=r"reaches to column [0-9,]+ of row 1,048,576, more than"):
        opened(workbook(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize("column", ["AAAA", "A" * 100_000, "1", "Ä"])
def test_a_column_that_there_is_not(tmp_path: Path, column: str) -> None:
    with pytest.raises(FileError, match=r"^a\.xlsx: damaged"):
        opened(workbook(tmp_path / "a.xlsx", f'<row><c r="{column}2">{_VALUE}'))


def test_a_format_of_cells_far_away_takes_nothing(tmp_path: Path) -> None:
    """Spreadsheet programs write such cells; they have no value."""
    far = '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
    table = opened(workbook(tmp_path / "a.xlsx", _ROW.format(2, 0) + far, _text(2)))
    assert (patients(table), table.told) == (["xx"], "XLSX, sheet Labs")


def test_a_blank_in_the_last_row_of_all(tmp_path: Path) -> None:
    far = '<row r="1048576"><c t="inlineStr"><is><t xml:space="preserve"> </t></is></c></row>'
    path = workbook(tmp_path / "a.xlsx", _ROW.format(2, 0) + far, _text(2))
    before, started = getrusage(RUSAGE_SELF).ru_maxrss, process_time()
    table = opened(path)
    assert patients(table) == ["xx"]
    assert table.told == "XLSX, sheet Labs; blank rows, left out: 1,048,574"
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes: 32 bytes a cell"
    assert process_time() - started < 10


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE sst [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;'>]><sst>&b;</sst>",
        f"<sst a='{'x' * 3_000_000}'/>",
        f"<sst><!--{'x' * 3_000_000}--></sst>",
        "<sst><si></sst>",
    ],
    ids=["entities", "a long attribute", "a long comment", "no XML"],
)
def test_xml_that_no_spreadsheet_program_writes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xlsx"
    files.xlsx(path, {"Labs": [files.HEADER, *files.ROWS]})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", text)
    with pytest.raises(FileError, match=r"^a\.xlsx: damaged or cut off$"):
        opened(path)


def test_many_sheets_that_are_one_part(tmp_path: Path) -> None:
    """Each would be read to find the one that holds something."""
    with pytest.raises(FileError, match=r"more than 255 sheets; name one with --sheet"):
        opened(workbook(tmp_path / "a.xlsx", "", sheets=256))
