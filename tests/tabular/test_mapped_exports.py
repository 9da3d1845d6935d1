"""Exports of others, read by a mapping: what a cell says, and what grading then gets of it."""

from pathlib import Path

import polars as pl
import pytest

from tests.tabular import files
from toxgrade.errors import FileError
from toxgrade.grading.parse import read_value
from toxgrade.tabular.declared_options import with_mapping
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.table import CLEANED, LINE

_LONG = """
[columns]
patient = "Nr"
collected = "Datum"
analyte = "Test"
value = "Wert"
unit = "Einheit"
range = "Normbereich"
"""
_READ = '[read]\ndecimal = ","\n'


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def rows(work: Path, content: str | files.Rows, mapping: str) -> pl.DataFrame:
    """The rows that grading gets of an export and a mapping."""
    path = work.parent / ("labs.csv" if isinstance(content, str) else "labs.xlsx")
    if isinstance(content, str):
        path.write_text(content, "utf-8")
    else:
        files.xlsx(path, {"Labor": content})
    toml = work.parent / "map.toml"
    toml.write_text(mapping, "utf-8")
    labs = open_labs([path], work, with_mapping([str(toml)]))
    return pl.concat(chunk.rows for chunk in labs.chunks())


@pytest.mark.parametrize(
    ("printed", "limits"),
    [
        ("3,5 - 5,0", ("3.5", "5.0", None)),
        ("3,5-5,0 mmol/l", ("3.5", "5.0", "mmol/l")),
        ("< 35", (None, "35", None)),
        ("bis 40", (None, "40", None)),
        ("bis 1,2 mg/dl", (None, "1.2", "mg/dl")),
        ("3,5 bis 5,0", ("3.5", "5.0", None)),
        ("> 59", ("59", None, None)),
        ("[150 - 400]", ("150", "400", None)),
        ("", (None, None, None)),
        ("negativ", (None, None, None)),
        # a text with digits that is no single range: a limit that cannot be read, and told so
        ("m 14-18 w 12-16", (None, "m 14-18 w 12-16", None)),
    ],
)
def test_a_range_in_one_column(work: Path, printed: str, limits: tuple[str | None, ...]) -> None:
    header = "Nr;Datum;Test;Wert;Einheit;Normbereich"
    found = rows(work, f"{header}\n1;2011-04-23;Kalium;4,1;mmol/l;{printed}\n", _LONG + _READ)
    assert found.select("lln", "uln", "limit_unit").row(0) == limits
    assert found["value"].item() == "4.1"


def test_limits_of_their_own_go_before_a_range(work: Path) -> None:
    header = "Nr;Datum;Test;Wert;Einheit;Normbereich;Max"
    text = f"{header}\n1;2011-04-23;GPT;50;U/l;10-40;35\n1;2011-04-24;GPT;50;U/l;10-40;\n"
    found = rows(work, text, _LONG + 'uln = "Max"\n')
    assert found.select("lln", "uln").rows() == [(None, "35"), ("10", "40")]


@pytest.mark.parametrize(
    ("written", "unit", "read"),
    [
        ("1,8 H", "mg/dl", "1.8"), ("5,2*", "mmol/l", "5.2"), ("121 HH", "U/l", "121"),
        ("20 (L)", "10^9/L", "20"), ("2,8 -", "G/l", "2.8"), ("< 0,2 L", "mg/dl", "< 0.2"),
        ("* 5,2", "mmol/l", "5.2"),
        ("GREATER THAN 10", "mEq/L", ">10"), ("less than 0,4", "mg/dl", "<0.4"),
        ("größer als 500", "U/l", ">500"), ("unter 5", "U/l", "<5"),
        # its own unit, repeated
        ("<20 10^9/L", "10^9/L", "<20"), ("1,8 mg/dl H", "mg/dl", "1.8"),
        ("1,8 H mg/dl", "mg/dl", "1.8"),
        # what is no flag, no unit of its own and no such word stays, and is refused as ever
        ("1,8 mmol/l", "mg/dl", "1.8 mmol/l"), ("siehe Text", "", "siehe Text"),
        ("2+", "", "2+"), ("1 +", "", "1 +"), ("12/34", "", "12/34"),
        ("21 H", "1", "21"), ("2010^9/L", "10^9/L", "2010^9/L"), ("1,8 ca", "", "1.8 ca"),
        ("hämolytisch", "", "hämolytisch"),
    ],
)  # fmt: skip
def test_a_declared_cleaning(work: Path, written: str, unit: str, read: str) -> None:
    header = "Nr;Datum;Test;Wert;Einheit;Normbereich"
    text = f"{header}\n1;2011-04-23;Kalium;{written};{unit};\n"
    found = rows(work, text, _LONG + _READ + 'strip = "flags"\n')
    assert found["value"].item() == read
    is_cleaned = written.replace(",", ".") != read
    assert (found[CLEANED].item() is not None) == is_cleaned
    undeclared = rows(work, text, _LONG + _READ)
    assert undeclared["value"].item() == written.replace(",", ".")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("23.04.2011", "2011-04-23"), ("23.04.2011 08:30", "2011-04-23T08:30:00"),
        ("23.04.11", "2011-04-23"), ("23.04.49", "2049-04-23"), ("23.04.50", "1950-04-23"),
        ("40656", "2011-04-23"), ("40656.3541666667", "2011-04-23T08:30:00"),
        ("2011-04-23", "2011-04-23"), ("2011", "2011"),
        # what has none of the forms stays, and is refused as ever
        ("31.02.2011", "31.02.2011"), ("23/04/2011", "23/04/2011"), ("1234", "1234"),
    ],
)  # fmt: skip
def test_several_forms_of_dates(work: Path, written: str, read: str) -> None:
    forms = 'dates = ["%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%y", "excel"]\ncentury = 1950\n'
    header = "Nr;Datum;Test;Wert;Einheit;Normbereich"
    found = rows(work, f"{header}\n1;{written};Kalium;4;mmol/l;\n", f"{_LONG}[read]\n{forms}")
    assert found["collected"].item() == read


def test_days_since_1960(work: Path) -> None:
    header = "Nr;Datum;Test;Wert;Einheit;Normbereich"
    text = f"{header}\n1;18740;Kalium;4;mmol/l;\n"
    assert rows(work, text, f'{_LONG}[read]\ndates = "sas"\n')["collected"].item() == "2011-04-23"


@pytest.mark.parametrize(
    ("day", "date", "collected"),
    [
        ("1", "", "2011-01-24"), ("50", "", "2011-03-14"), ("-1", "", "2011-01-23"),
        ("50.0", "", "2011-03-14"), ("-5", "", "2011-01-19"),
        # the date, where there is one
        ("50", "2011-02-01", "2011-02-01"),
        # there is no day 0; what is no day is a date that cannot be read
        ("0", "", "0"), ("Woche 2", "", "Woche 2"), ("", "", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["column", "constant"])
def test_study_days(work: Path, start: str, day: str, date: str, collected: str | None) -> None:
    mapping = '[columns]\ncollected_day = "LBDY"\n'
    mapping += {"column": 'rt_start = "START"', "constant": '[constants]\nrt_start = "2011-01-24"'}[
        start
    ]
    header = "USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBDTC,LBDY,START"
    text = f"{header}\nS1,CREAT,0.7,mg/dL,0.6,1.2,{date},{day},2011-01-24\n"
    assert rows(work, text, mapping)["collected"].item() == collected


def test_a_study_day_needs_a_start(work: Path) -> None:
    header = "USUBJID,LBTESTCD,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBDTC,LBDY"
    with pytest.raises(FileError, match="collected_day: a study day needs rt_start beside it"):
        rows(work, f"{header}\n", '[columns]\ncollected_day = "LBDY"\n')


def test_each_result_of_a_wide_export_may_have_its_own(work: Path) -> None:
    """Unit, limits, range, date, sign and specimen in columns of their own, as REDCap has them."""
    header = "id,visit,alt,alt_unit,alt_uln,plt,plt_range,plt_date,plt_sign,k,k_spec"
    text = (
        f"{header}\n1,2024-03-01,230,U/L,40,15,150-400,2024-03-02,<,4.1,urine\n"
        "2,2024-03-01,3.9,ukat/L,0.7,,,,,,\n"
    )
    mapping = """
    [columns]
    patient = "id"
    collected = "visit"
    [[wide]]
    column = "alt"
    analyte = "ALT"
    unit_column = "alt_unit"
    uln_column = "alt_uln"
    [[wide]]
    column = "plt"
    analyte = "platelets"
    unit = "10^9/L"
    range_column = "plt_range"
    date_column = "plt_date"
    comparator_column = "plt_sign"
    [[wide]]
    column = "k"
    analyte = "potassium"
    unit = "mmol/L"
    range = "3.5-5.0"
    specimen_column = "k_spec"
    """
    found = rows(work, text, mapping)
    shown = found.select(
        "patient", "collected", "analyte", "value", "unit", "lln", "uln", "specimen"
    )
    assert shown.rows() == [
        ("1", "2024-03-01", "ALT", "230", "U/L", None, "40", None),
        ("1", "2024-03-02", "platelets", "<15", "10^9/L", "150", "400", None),
        ("1", "2024-03-01", "potassium", "4.1", "mmol/L", "3.5", "5.0", "urine"),
        ("2", "2024-03-01", "ALT", "3.9", "ukat/L", None, "0.7", None),
    ]


_HEADED = (
    ("Laborbefunde", "", "", "", "", ""),
    ("", "", "", "", "", ""),
    ("Patient", "", "GPT", "", "Kalium", ""),
    ("Nr", "Datum", "Wert", "Norm", "Wert", "Norm"),
    ("", "", "U/l", "", "mmol/l", ""),
    ("007", "2011-04-23", "120", "10-40", "4,1", "3,5-5,0"),
)
_WIDE = """
[columns]
patient = "Patient Nr"
collected = "Patient Datum"
[[wide]]
column = "GPT Wert"
analyte = "ALT"
unit = "U/L"
range_column = "GPT Norm"
[[wide]]
column = "Kalium Wert"
analyte = "potassium"
unit = "mmol/L"
range_column = "Kalium Norm"
[read]
decimal = ","
header_row = 3
header_rows = 2
skip_rows = 1
"""


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_title_two_rows_of_names_and_a_row_of_units(work: Path, kind: str) -> None:
    lines = "\n".join(";".join(row) for row in _HEADED) + "\n"
    found = rows(work, lines if kind == "csv" else _HEADED, _WIDE)
    assert found.select("patient", "analyte", "value", "lln", "uln", LINE).rows() == [
        ("007", "ALT", "120", "10", "40", 6),
        ("007", "potassium", "4.1", "3.5", "5.0", 6),
    ]


def test_a_header_that_is_not_there(work: Path) -> None:
    with pytest.raises(FileError, match=r"labs.csv: row 3 is empty; expected the header"):
        rows(work, "a;b\n1;2\n", '[columns]\npatient = "a"\n[read]\nheader_row = 3\n')


@pytest.mark.parametrize(("written", "read"), [("≤20", "<=20"), ("≥ 20", ">=20")])
def test_signs_of_one_character_need_no_declaration(written: str, read: str) -> None:
    assert read_value(written) == read_value(read)
