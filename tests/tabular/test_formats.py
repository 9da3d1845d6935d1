"""The same rows from any format; what is declared, what is detected, what is refused."""

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tabular import files
from toxgrade.errors import FileError
from toxgrade.tabular.declared_options import with_mapping
from toxgrade.tabular.file_format import unpack
from toxgrade.tabular.lab_export import Labs, open_labs
from toxgrade.tabular.mapping import OURS, ColumnMap
from toxgrade.tabular.open_file import find_files
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import LINE, ROW

UPPER = ColumnMap({name: name.upper()[:8] for name in files.HEADER})


def read(labs: Labs) -> list[tuple[str | None, ...]]:
    """Our columns of all rows, without those that no row has."""
    return [
        row for chunk in labs.chunks(size=2) for row in chunk.rows.select(files.HEADER).iter_rows()
    ]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", files.EVERY_FORMAT)
def test_every_format_gives_the_same_rows(tmp_path: Path, work: Path, name: str) -> None:
    files.EVERY_FORMAT[name](tmp_path / name)
    options = ReadOptions(columns=UPPER) if name.endswith(".xpt") else ReadOptions()
    labs = open_labs([tmp_path / name], work, options)
    got = read(labs)
    assert got == list(files.ROWS)
    assert labs.tables[0].columns == tuple(
        column.upper()[:8] if name.endswith(".xpt") else column for column in files.HEADER
    )


def test_what_was_detected_is_told(tmp_path: Path, work: Path) -> None:
    told = {}
    for name in ("labs.csv", "excel.csv", "unicode.csv", "labs.xlsx", "labs.xpt"):
        files.EVERY_FORMAT[name](tmp_path / name)
        options = ReadOptions(columns=UPPER) if name.endswith(".xpt") else ReadOptions()
        told[name] = open_labs([tmp_path / name], work, options).tables[0].told
    assert told == {
        "labs.csv": "CSV, UTF-8, commas",
        "excel.csv": "CSV, UTF-8, semicolons (detected)",
        "unicode.csv": "CSV, UTF-16, tabs (detected)",
        "labs.xlsx": "XLSX, sheet Labs",
        "labs.xpt": "SAS XPT",
    }


@pytest.mark.parametrize(
    ("content", "options", "value", "uln", "collected"),
    [
        # declared: decimal comma, German dates, a null marker; NA stays sodium
        ("P1;23.04.2011;NA;1,8;x;.;1,2",
         ReadOptions(decimal=",", dates=("%d.%m.%Y",), nulls=(".",)),
         "1.8", "1.2", "2011-04-23"),
        # with a decimal comma 1.234 may be a thousand: it is no number at all
        ("P1;2011-04-23;NA;1.234;x;;1.234,5", ReadOptions(decimal=","), "1,234", "1,234.5",
         "2011-04-23"),
        ("P1;23.04.2011 08:30;NA;<5;x;;", ReadOptions(dates=("%d.%m.%Y %H:%M",)), "<5", None,
         "2011-04-23T08:30:00"),
        ("P1;Apr 23 2011 1:05 PM;NA;<5;x;;", ReadOptions(dates=("%b %d %Y %I:%M %p",)), "<5", None,
         "2011-04-23T13:05:00"),
        # not declared: nothing is converted
        ("P1;23.04.2011;NA;1,8;x;;1,2", ReadOptions(), "1,8", "1,2", "23.04.2011"),
        ("P1;31.13.2011;NA;NULL;x;;-", ReadOptions(dates=("%d.%m.%Y",), nulls=("NULL", "-")),
         None, None, "31.13.2011"),
    ],
)  # fmt: skip
def test_only_what_is_declared_is_converted(
    tmp_path: Path, work: Path, content: str, options: ReadOptions, value: str | None,
    uln: str | None, collected: str,
) -> None:  # fmt: skip
    path = write(tmp_path, "labs.csv", f"{';'.join(files.HEADER)}\n{content}\n")
    labs = open_labs([path], work, options)
    (chunk,) = labs.chunks()
    row = chunk.rows.row(0, named=True)
    assert (row["analyte"], row["value"], row["uln"], row["collected"]) == (
        "NA", value, uln, collected,
    )  # fmt: skip
    assert ";".join(cell or "" for cell in chunk.given.row(0)) == content, "kept as it came"


def test_latin_1_is_read_on_request(tmp_path: Path, work: Path) -> None:
    path = write(tmp_path, "labs.csv", files.text().encode("latin-1"))
    with pytest.raises(FileError, match=r"labs.csv, line 5: not UTF-8; declare"):
        read(open_labs([path], work))
    assert read(open_labs([path], work, ReadOptions(encoding="latin-1"))) == list(files.ROWS)


@pytest.mark.parametrize("row", ["P1,2011-01-20,ALT,5,U/L,,40", 'P1,2011-01-20,ALT,5,U/L,,40,"",,'])
@pytest.mark.parametrize("first", ["", 'P0,,,"two\nlines",,,\n'])
def test_what_a_spreadsheet_leaves_empty_at_the_right_is_left_out(
    tmp_path: Path, work: Path, row: str, first: str
) -> None:
    header = ",".join(files.HEADER)
    path = write(tmp_path, "labs.csv", f"{header},,,\n{first}{row}\n")
    labs = open_labs([path], work)
    assert labs.columns == tuple(files.HEADER)
    assert read(labs)[-1] == ("P1", "2011-01-20", "ALT", "5", "U/L", None, "40")
    write(tmp_path, "labs.csv", f"{header},,,\n{first}{row}\nP2,,,,,,,,stray,\n")
    with pytest.raises(FileError, match="columns without a name are not empty: 9; the header"):
        open_labs([path], work)


def test_several_files_are_one_sequence(tmp_path: Path, work: Path) -> None:
    header = ",".join(files.HEADER)
    write(tmp_path, "labs-1.csv", f'{header}\nP1,2011-01-20,ALT,1,"U/L",,40\n\nP2,,,,,,\n')
    write(tmp_path, "labs-2.csv", f'{header}\nP3,,"two\nlines",,,,\nP4,,,,,,\n')
    labs = open_labs(find_files([str(tmp_path / "labs-*.csv")], work), work)
    rows = [row for chunk in labs.chunks(size=1) for row in chunk.rows.iter_rows(named=True)]
    assert [(row["patient"], row[ROW], row[LINE]) for row in rows] == [
        ("P1", 0, 2), (None, 1, 3), ("P2", 2, 4), ("P3", 3, 2), ("P4", 4, 4),
    ]  # fmt: skip


def test_a_mapping_names_columns_and_constants(tmp_path: Path, work: Path) -> None:
    path = write(tmp_path, "labs.csv", "id,drawn,test,result,note\nP1,2011-01-20,ALT,50,x\n")
    toml = write(tmp_path, "map.toml", '[columns]\npatient = "id"\n[constants]\nunit = "U/L"\n')
    given = with_mapping([str(toml), "collected=drawn", "analyte=test", "value=result"])
    labs = open_labs([path], work, given)
    assert labs.layout.name == "mapped columns"
    assert read(labs) == [("P1", "2011-01-20", "ALT", "50", "U/L", None, None)]


def test_a_wide_export_has_one_row_for_each_filled_cell(tmp_path: Path, work: Path) -> None:
    path = write(
        tmp_path, "labs.csv",
        "id,day,ALT,ALT_ULN,Bili\nP1,2011-01-20,50,40,1,8\nP2,2011-01-21,, ,\n"
        "P3,2011-01-22,,,0,9\n".replace("1,8", '"1,8"').replace("0,9", '"0,9"'),
    )  # fmt: skip
    toml = write(
        tmp_path, "map.toml",
        '[columns]\npatient = "id"\ncollected = "day"\n'
        '[[wide]]\ncolumn = "ALT"\nanalyte = "ALT"\nunit = "U/L"\nuln_column = "ALT_ULN"\n'
        '[[wide]]\ncolumn = "Bili"\nanalyte = "TBIL"\nunit = "mg/dL"\nlln = "0,2"\nuln = "1,2"\n',
    )  # fmt: skip
    labs = open_labs([path], work, replace(with_mapping([str(toml)]), decimal=","))
    assert read(labs) == [
        ("P1", "2011-01-20", "ALT", "50", "U/L", None, "40"),
        ("P1", "2011-01-20", "TBIL", "1.8", "mg/dL", "0.2", "1.2"),
        ("P3", "2011-01-22", "TBIL", "0.9", "mg/dL", "0.2", "1.2"),
    ]
    (chunk,) = labs.chunks()
    assert chunk.given["id"].to_list() == ["P1", "P1", "P3"]
    assert chunk.rows[ROW].to_list() == [0, 0, 2]


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("patients=id", "a column that is not one of ours: patient, collected"),
        ("nowhere.toml", "nowhere.toml: No such file"),
    ],
)
def test_a_mapping_that_is_none(pair: str, says: str) -> None:
    assert "patient" in OURS
    with pytest.raises(FileError, match=says):
        with_mapping([pair])


_OBSERVATION = {
    "resourceType": "Observation", "id": "o1", "status": "final",
    "code": {"coding": [{"system": "urn:x", "code": "GPT"},
                        {"system": "http://loinc.org", "code": "1742-6"}]},
    "subject": {"reference": "Patient/P1"}, "effectiveDateTime": "2011-04-23T08:00:00+02:00",
    "valueQuantity": {"value": 1.80, "comparator": "<", "unit": "units",
                      "system": "http://unitsofmeasure.org", "code": "U/L"},
    "referenceRange": [{"high": {"value": 40, "unit": "U/L"}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("P1", "2011-04-23T08:00:00+02:00", "1742-6", "<1.80", "U/L", None, "40", None)),
        ({"referenceRange": [{"text": "7-56 IU/L"}]},
         ("P1", "2011-04-23T08:00:00+02:00", "1742-6", "<1.80", "U/L", "7", "56", "IU/L")),
        # two normal ranges, for men and women: neither is taken
        ({"referenceRange": [{"high": {"value": 40}}, {"high": {"value": 33}}]},
         ("P1", "2011-04-23T08:00:00+02:00", "1742-6", "<1.80", "U/L", None, None, None)),
        ({"valueQuantity": None, "dataAbsentReason": {"text": "error"}},
         ("P1", "2011-04-23T08:00:00+02:00", "1742-6", None, None, None, "40", "U/L")),
    ],
)  # fmt: skip
def test_fhir_observations(
    tmp_path: Path, work: Path, changes: dict[str, object], expected: tuple[str | None, ...]
) -> None:
    line = json.dumps(_OBSERVATION | changes).replace("1.8,", "1.80,")
    (chunk,) = open_labs([write(tmp_path, "labs.ndjson", line + "\n")], work).chunks()
    assert chunk.rows.select(*files.HEADER, "limit_unit").row(0) == expected
    assert chunk.rows.select("status", "source_id").row(0) == ("final", "o1")


HEADER = ",".join(files.HEADER)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv.gz", gzip.compress(files.text().encode())[:-12], "a.csv.gz: damaged or cut off"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd\x00\x00", "a.csv.zst: damaged or cut off"),
        ("a.xpt", "<!DOCTYPE html><html>", "a.xpt: this is HTML, not SAS XPT"),
        ("a.xpt", b"HEADER RECORD*******" + b"x" * 61, "a.xpt: damaged or cut off"),
        ("a.xpt", b"HEADER RECORD*******" + b"x" * 60, "a.xpt: damaged"),
        ("a.csv", b"PK\x03\x04" + b"x" * 99, "a.csv: this is a zip archive or XLSX; expected text"),
        ("a.csv.gz", HEADER, "a.csv.gz: this is not gzip"),
        ("a.xlsx", b"PK\x03\x04" + b"x" * 99, "a.xlsx: damaged or cut off"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "a.xls: the kind of file is not known"),
        ("a.zip", b"PK\x03\x04", "a.zip: an archive, which may hold several files: unpack it"),
        ("a.parquet", b"PAR1" + b"x" * 99, "a.parquet: damaged or cut off"),
        ("a.csv", HEADER + "\n" + "x" * (1 << 25) + "\n", "a.csv, line 2: longer than 16,777,216"),
        ("a.csv", f"{HEADER}\nP1,\x00\n", "a.csv, line 2: a NUL byte"),
        ("a.csv", HEADER + "\rP1\rP2\r", "lines end in a carriage return alone"),
        ("a.csv", HEADER + "\r\nP1\rP2\n", "lines end in a carriage return alone, or in different"),
        ("a.csv", ",".join(map(str, range(10_000))), "a.csv: 10,000 columns; at most 2,000"),
        ("a.csv", f"{HEADER},unit\n", "a.csv: two columns are named unit"),
        ("a.csv", "Report,, \nP1,x,\n", "a.csv: columns without a name are not empty: 2; the"),
        ("a.csv", f'{HEADER},"no\nte"\n', "a.csv: the header does not end on its first line"),
        ("a.csv", "a,b;c\n", "a.csv: its delimiter could be several"),
        ("a.csv", "P1,2011-01-20,ALT,5,U/L,,40\n", "a.csv: the header lacks patient, collected"),
        ("a.csv", "\n", "a.csv: empty"),
        ("a.ndjson", '{"a": 1}\n{"a":\n', "a.ndjson, line 2: not JSON"),
        ("a.ndjson", '{"a": 1}\n[2]\n', "a.ndjson, line 2: expected a JSON object"),
        ("a.ndjson", '{"a": [1]}\n', "a.ndjson, line 1: a: expected a text, a number or null"),
        ("a.ndjson", '{"resourceType": "Patient"}\n', "line 1: expected resourceType Observation"),
        ("a.ndjson", "", "a.ndjson: empty"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_file_gets_a_clear_message(
    tmp_path: Path, work: Path, name: str, content: str | bytes, says: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(FileError, match=says):
        read(open_labs([path], work))


def test_a_full_disk_is_no_fault_of_the_file(tmp_path: Path) -> None:
    packed = write(tmp_path, "a.csv.gz", gzip.compress(files.text().encode()))
    with pytest.raises(OSError, match="No space left"):
        unpack(packed, "a.csv.gz", ".gz", None, Path("/dev/full"), 1_000_000)


def test_a_bomb_is_not_unpacked(tmp_path: Path, work: Path) -> None:
    path = write(tmp_path, "a.csv.gz", gzip.compress(HEADER.encode() + b"\n" * 5_000_000))
    with pytest.raises(FileError, match="more than 1,000,000 bytes once decompressed"):
        open_labs([path], work, ReadOptions(max_bytes=1_000_000))
    with (
        zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/worksheets/1.xml", "w", force_zip64=True) as sheet,
    ):
        sheet.write(b"0" * 2_000_000)
    with pytest.raises(FileError, match=r"b\.xlsx: more than 1,000,000 bytes once unpacked"):
        open_labs([tmp_path / "b.xlsx"], work, ReadOptions(max_bytes=1_000_000))


def test_a_workbook(tmp_path: Path, work: Path) -> None:
    rows: files.Rows = [files.HEADER, ("P1", "2011-01-20", "ALT", "=25*2->50", "U/L", None, 40.0)]
    files.xlsx(tmp_path / "a.xlsx", {"One": rows, "Two": rows})
    with pytest.raises(FileError, match=r"several sheets hold something \(One, Two\)"):
        open_labs([tmp_path / "a.xlsx"], work)
    with pytest.raises(FileError, match="there is no such sheet; it has One, Two"):
        open_labs([tmp_path / "a.xlsx"], work, ReadOptions(sheet="Three"))
    labs = open_labs([tmp_path / "a.xlsx"], work, ReadOptions(sheet="Two"))
    assert read(labs) == [("P1", "2011-01-20", "ALT", "50", "U/L", None, "40")]


def test_a_workbook_with_columns_without_a_name(tmp_path: Path, work: Path) -> None:
    row = ("P1", "2011-01-20", "ALT", 50.0, "U/L", None, 40.0)
    rows: files.Rows = [(*files.HEADER, None, None), (*row, None, None)]
    files.xlsx(tmp_path / "a.xlsx", {"One": rows})
    labs = open_labs([tmp_path / "a.xlsx"], work)
    assert read(labs) == [("P1", "2011-01-20", "ALT", "50", "U/L", None, "40")]
    files.xlsx(tmp_path / "a.xlsx", {"One": [*rows, (*row, None, "stray")]})
    with pytest.raises(FileError, match="columns without a name are not empty: 9"):
        open_labs([tmp_path / "a.xlsx"], work)


_NOTHING = (None,) * 7
_BLANKS = (" ", None, "\n", "\t ", None, None, None)


@pytest.mark.parametrize(
    ("rows", "lines", "told"),
    [
        # rows of the sheet below the header; the lines that are read; what is told
        (["P1"], [2], ""),
        (["P1", None, "P2"], [2, 4], "; blank rows, left out: 1"),
        ([None, None, "P1", None], [4], "; blank rows, left out: 2"),  # Nothing is there below.
        (["P1", " ", "P2", None, " "], [2, 4], "; blank rows, left out: 3"),
        (["P1", *[None] * 5000, " "], [2], "; blank rows, left out: 5,001"),
        ([" "], [], "; blank rows, left out: 1"),
    ],
)
def test_blank_rows_of_a_workbook_are_left_out_and_told(
    tmp_path: Path, work: Path, rows: list[str | None], lines: list[int], told: str
) -> None:
    cells = {None: _NOTHING, " ": _BLANKS}
    sheet = [cells.get(who, (who, "2011-01-20", "ALT", 50.0, "U/L", None, 40.0)) for who in rows]
    files.xlsx(tmp_path / "a.xlsx", {"One": [files.HEADER, *sheet]})
    for spilled in (False, True):
        labs = open_labs([tmp_path / "a.xlsx"], work)
        labs = labs.spilled(work) if spilled else labs
        for _ in range(2):
            chunks = list(labs.chunks(size=2))
            assert [line for chunk in chunks for line in chunk.rows[LINE]] == lines
            assert [row + 2 for chunk in chunks for row in chunk.rows[ROW]] == lines
            assert sum(chunk.file_rows for chunk in chunks) == len(lines)
        assert labs.tables[0].told == f"XLSX, sheet One{told}"


def test_rows_after_a_workbook_with_blank_rows_have_numbers_of_their_own(
    tmp_path: Path, work: Path
) -> None:
    row = ("P1", "2011-01-20", "ALT", 50.0, "U/L", None, 40.0)
    files.xlsx(tmp_path / "1.xlsx", {"One": [files.HEADER, _NOTHING, row]})
    files.xlsx(tmp_path / "2.xlsx", {"One": [files.HEADER, row]})
    labs = open_labs([tmp_path / "1.xlsx", tmp_path / "2.xlsx"], work)
    places = [pair for c in labs.chunks() for pair in c.rows.select(ROW, LINE).iter_rows()]
    assert places == [(1, 3), (2, 2)]


def test_files_of_different_columns(tmp_path: Path, work: Path) -> None:
    one, two = write(tmp_path, "1.csv", HEADER), write(tmp_path, "2.csv", f"{HEADER},note")
    with pytest.raises(FileError, match=r"2\.csv: other columns than 1\.csv: note"):
        open_labs([one, two], work)
    with pytest.raises(FileError, match="no file matches"):
        find_files([str(tmp_path / "x*.csv")], work)
