"""A look at an export: what is found, what is proposed, and that grading by it decides the rest."""

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.tabular import files
from tests.tabular.test_sas_libraries import library
from toxgrade.criteria.reader import load
from toxgrade.exports.inspect.inspect_files import inspect_files
from toxgrade.exports.inspect.inspection import Inspection
from toxgrade.tabular.declared_options import declare
from toxgrade.tabular.mapping_file import mapping

_CRITERIA = load(only="4.03")


def looked(path: Path, content: str | bytes | None = None) -> Inspection:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return inspect_files([str(path)], _CRITERIA, load)


def proposed(found: Inspection) -> dict[str, Any]:
    """The sections of the mapping, which is one that reading takes."""
    declare({}, mapping([("proposed", found.mapping.encode())]))
    return tomllib.loads(found.mapping)


MESSY = """\
Laborbefunde Strahlentherapie;;;;;;;;;
Stand: 01.09.2011;;;;;;;;;
Pat.-Nr.;Geschl.;Entnahme;Untersuchung;Ergebnis;Einheit;Normbereich;Flag;Material;Bemerkung
;;Datum / Uhrzeit;;;;;;;
 00417 ;m;20.01.2011;GPT (ALAT);38;U/l;10 - 50;;Serum;
;;20.01.2011;Bilirubin gesamt;0,8;mg/dl;bis 1,2;;Serum;
;;20.01.2011;Leukozyten;6,1;/nl;4,0 - 10,0;;EDTA-Blut;
;;23.04.2011 08:30;GPT (ALAT);121 H;U/l;10 - 50;H;Serum;
;;23.04.2011 08:30;Bilirubin gesamt;1,8 H;mg/dl;bis 1,2;H;Serum;
;;23.04.2011 08:30;Leukozyten;2,8*;/nl;4,0 - 10,0;L;EDTA-Blut;
;;23.04.2011 08:30;Kalium;5,2*;mmol/l;3,5 - 5,0;H;Serum;hämolytisch
;;23.04.2011 08:30;Hämoglobin;9,9;g/dl;13,5 - 17,5;L;EDTA-Blut;
;;;;;;;;;
 00512 ;w;21.01.2011;GPT (ALAT);22;U/l;< 35;;Serum;
;;21.01.2011;Hämoglobin;12,4;g/dl;12,0 - 16,0;;EDTA-Blut;
;;21.01.2011;Thrombozyten;210;Tsd./µl;150 - 400;;EDTA-Blut;
;;02.05.2011 07:45;GPT (ALAT);190;U/l;< 35;H;Serum;
;;02.05.2011 07:45;Hämoglobin;7,8;g/dl;12,0 - 16,0;L;EDTA-Blut;
;;02.05.2011 07:45;Thrombozyten;46;Tsd./µl;150 - 400;L;EDTA-Blut;
;;02.05.2011 07:45;Kreatinin;n.b.;mg/dl;0,5 - 0,9;;Serum;
;;02.05.2011 07:45;Glukose;240;mg/dl;;;Urin;
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_messy_german_export_is_graded_at_the_second_try(tmp_path: Path, encoding: str) -> None:
    found = looked(tmp_path / "labor.csv", MESSY.encode(encoding))
    said = proposed(found)
    assert said["columns"] == {
        "patient": "Pat.-Nr.", "collected": "Entnahme Datum / Uhrzeit", "analyte": "Untersuchung",
        "value": "Ergebnis", "unit": "Einheit", "range": "Normbereich", "indicator": "Flag",
        "specimen": "Material",
    }  # fmt: skip
    assert said["analytes"] == {
        "GPT (ALAT)": "ALT", "Bilirubin gesamt": "bilirubin", "Leukozyten": "WBC",
        "Kalium": "potassium", "Hämoglobin": "hemoglobin", "Thrombozyten": "platelets",
        "Kreatinin": "creatinine", "Glukose": "glucose",
    }  # fmt: skip
    expected = {
        "header_row": 3, "header_rows": 2, "delimiter": ";", "decimal": ",",
        "dates": ["%d.%m.%Y %H:%M", "%d.%m.%Y"], "null": ["n.b."], "strip": "flags",
        "fill_down": ["patient"],
    }  # fmt: skip
    assert said["read"] == expected | ({"encoding": "cp1252"} if encoding == "cp1252" else {})
    assert found.questions == []
    # What is left has no value, is of a blank row, or is of urine.
    undecided = {one.reason: one.gradings for one in found.undecided}
    assert undecided == {"missing-patient": 1, "missing-value": 1, "other-specimen": 2}
    assert found.decided == found.gradings - 4 > 15


def test_each_guess_is_active_and_says_why(tmp_path: Path) -> None:
    found = looked(tmp_path / "labor.csv", MESSY)
    lines = [line for line in found.mapping.split("\n") if " = " in line and line[0] != "#"]
    assert all("  # guess: " in line for line in lines)


_GERMAN = "Nr;Datum;Test;Wert;Einheit\n"


@pytest.mark.parametrize(
    ("rows", "fills"),
    [
        # the first has a patient, and those without one follow directly
        ("1;2011-04-23;GPT;5;U/l\n;2011-04-24;GPT;5;U/l\n", True),
        ("1;2011-04-23;GPT;5;U/l\n2;2011-04-24;GPT;5;U/l\n;2011-04-24;GPT;5;U/l\n", True),
        # nobody stands above the first; a blank row between says nothing
        (";2011-04-23;GPT;5;U/l\n1;2011-04-24;GPT;5;U/l\n", False),
        ("1;2011-04-23;GPT;5;U/l\n;;;;\n;2011-04-24;GPT;5;U/l\n", False),
        ("1;2011-04-23;GPT;5;U/l\n2;2011-04-24;GPT;5;U/l\n", False),
    ],
)
def test_when_filling_down_is_proposed(tmp_path: Path, rows: str, fills: bool) -> None:
    found = proposed(looked(tmp_path / "a.csv", _GERMAN + rows))
    assert ("fill_down" in found["read"]) == fills


@pytest.mark.parametrize(
    ("days", "forms", "asked"),
    [
        (("13/02/2011", "01/02/2011"), ["%d/%m/%Y"], False),
        (("02/13/2011", "01/02/2011"), ["%m/%d/%Y"], False),
        (("03/02/2011", "01/02/2011"), None, True),
        (("03.02.2011", "01.02.2011"), ["%d.%m.%Y"], False),
        (("2011-02-03", "2011-02-01T08:30"), None, False),
        (("3-Feb-2011", "01-Feb-2011"), ["%d-%b-%Y"], False),
        (("03.02.11", "04.02.11"), ["%d.%m.%y"], False),
    ],
)
def test_day_and_month(
    tmp_path: Path, days: tuple[str, str], forms: list[str] | None, asked: bool
) -> None:
    rows = "".join(f"1;{day};GPT;5;U/l\n" for day in days)
    found = looked(tmp_path / "a.csv", _GERMAN + rows)
    assert proposed(found)["read"].get("dates") == forms
    assert any("which is the day" in question for question in found.questions) == asked


@pytest.mark.parametrize(
    ("values", "decimal", "asked"),
    [
        (("1,8", "2,4"), ",", False), (("1.8", "240"), None, False),
        # a thousand, or three decimals?
        (("1,234", "2,345"), None, True), (("1,234", "2,3"), ",", False),
        (("0,234", "0,5"), ",", False),
    ],
)  # fmt: skip
def test_the_decimal_sign(
    tmp_path: Path, values: tuple[str, ...], decimal: str | None, asked: bool
) -> None:
    rows = "".join(f"1;2011-04-23;GPT;{value};U/l\n" for value in values)
    found = looked(tmp_path / "a.csv", _GERMAN + rows)
    assert proposed(found)["read"].get("decimal") == decimal
    assert any("is 1,234" in question for question in found.questions) == asked


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("GPT (ALAT)", "ALT"), ("Kalium", "potassium"), ("Kreatinin i.S.", "creatinine"),
        ("Creatinine (serum)", "creatinine"), ("POTAS", "potassium"), ("Leukozyten", "WBC"),
        # another test, another specimen or nothing that is near
        ("Bilirubin direkt", None), ("Glukose (Urin)", None), ("Vitamin K", None),
        ("HbA1c", None), ("GPT (GOT)", None), ("Kalium/Natrium", None),
    ],
)  # fmt: skip
def test_what_a_sites_name_may_mean(tmp_path: Path, name: str, means: str | None) -> None:
    rows = f"1;2011-04-23;{name};5;U/l\n1;2011-04-23;GPT;5;U/l\n"
    found = proposed(looked(tmp_path / "a.csv", _GERMAN + rows))
    assert found.get("analytes", {}).get(name) == means


def test_a_wide_export(tmp_path: Path) -> None:
    text = (
        "record_id,visit_date,alt,alt_unit,alt_uln,plt,plt_date,Kalium [mmol/l]\n"
        "1,2024-03-01,230,U/L,40,15,2024-03-02,4.1\n2,2024-03-01,39,U/L,40,150,2024-03-02,\n"
    )
    found = looked(tmp_path / "redcap.csv", text)
    assert proposed(found)["wide"] == [
        {"column": "alt", "analyte": "ALT", "unit_column": "alt_unit", "uln_column": "alt_uln"},
        {"column": "plt", "analyte": "platelets", "collected_column": "plt_date"},
        {"column": "Kalium [mmol/l]", "analyte": "potassium", "unit": "mmol/l"},
    ]
    assert found.refused is None


def test_layouts_that_are_known_need_no_columns(tmp_path: Path) -> None:
    found = looked(tmp_path / "labs.csv", files.text())
    assert found.files[0].layout == "Toxgrade's own columns"
    assert proposed(found).keys() <= {"read"}
    assert found.decided == found.gradings - 2  # Sodium has no limits.


@pytest.mark.parametrize(
    ("column", "texts", "ours"),
    [
        # passed over, these would give wrong grades
        ("operator", ("<", ">"), "comparator"), ("material", ("urine", "serum"), "specimen"),
        ("flag", ("H", "N"), "indicator"),
        ("comment", ("haemolytic", "none"), None),
    ],
)  # fmt: skip
def test_what_a_known_layout_passes_over(
    tmp_path: Path, column: str, texts: tuple[str, ...], ours: str | None
) -> None:
    header = ",".join(files.HEADER)
    rows = "".join(f"P1,2024-03-01,ALT,200,U/L,,40,{text}\n" for text in texts)
    found = looked(tmp_path / "labs.csv", f"{header},{column}\n{rows}")
    assert proposed(found).get("columns") == ({ours: column} if ours else None)
    assert found.refused is None


def test_one_of_several_members_is_proposed(tmp_path: Path) -> None:
    found = looked(library(tmp_path / "study.xpt", ["DM", "LB"], 5))
    assert (proposed(found)["read"], found.files[0].parts) == ({"sheet": "LB"}, ["DM", "LB"])
    assert found.decided == found.gradings == 3


def test_the_longest_of_several_sheets_is_proposed(tmp_path: Path) -> None:
    files.xlsx(
        tmp_path / "a.xlsx", {"Notes": [("read", "me")], "Labs": [files.HEADER, *files.ROWS]}
    )
    found = looked(tmp_path / "a.xlsx")
    assert proposed(found)["read"]["sheet"] == "Labs"
    assert found.refused is None


@pytest.mark.parametrize("name", files.EVERY_FORMAT)
def test_every_format_is_looked_at(tmp_path: Path, name: str) -> None:
    files.EVERY_FORMAT[name](tmp_path / name)
    found = looked(tmp_path / name)
    assert found.refused is None
    assert (found.files[0].rows, found.files[0].sampled) == (4, 4)
    assert {one.text for one in found.tests} == {"bilirubin", "TBIL", "WBC", "NA"}


def test_what_is_not_there_is_asked_for(tmp_path: Path) -> None:
    found = looked(tmp_path / "a.csv", "x,y\nfoo,bar\n")
    assert found.refused is not None
    assert any("no column seems to be patient" in one for one in found.questions)


def test_a_large_file_is_sampled_and_counted(tmp_path: Path) -> None:
    row = "P{},2011-04-23,Kalium,4.1,mmol/l,3.5,5.0\n"
    lines = "".join(row.format(number % 1000) for number in range(500_000))
    text = "Nr,Datum,Test,Wert,Einheit,Min,Max\n" + lines
    found = looked(tmp_path / "large.csv", text)
    assert found.files[0].rows == 500_000
    assert found.files[0].sampled < 200_000
    assert found.decided == found.gradings > 0


def test_a_large_table_of_another_kind(tmp_path: Path) -> None:
    frame = pl.DataFrame({"Nr": ["1"] * 150_000, "Datum": "2011-04-23", "Test": "Kalium",
                          "Wert": 4.1, "Einheit": "mmol/l", "Min": 3.5, "Max": 5.0})  # fmt: skip
    frame.write_parquet(tmp_path / "large.parquet")
    found = looked(tmp_path / "large.parquet")
    assert (found.files[0].rows, found.files[0].sampled) == (150_000, 100_000)
    assert found.decided == found.gradings == 200_000
