"""What a mapping file may hold, and how one that is something else is refused."""

from pathlib import Path

import pytest

from toxgrade.errors import FileError, ParseError
from toxgrade.tabular.date_forms import check_forms
from toxgrade.tabular.declared_options import as_json, declare, from_json
from toxgrade.tabular.mapping import MAPPABLE
from toxgrade.tabular.mapping_file import mapping
from toxgrade.tabular.options import OPTIONS
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions


@pytest.mark.parametrize(
    "text",
    [
        "[columns.patient]",
        ' [[ "wide" . column ]]',
        '[columns]\npatient.name = "Pat-ID"',
        '[analytes]\n"Na+".serum = "sodium"',
    ],
)
def test_a_key_with_dots_is_refused(text: str) -> None:
    """They made nested tables, which no mapping has, and thousands of them cost too much."""
    with pytest.raises(FileError, match=r"site\.toml: not a mapping \(a key with dots"):
        mapping([("site.toml", text.encode())])


def test_dots_in_quotes_and_in_texts_are_a_sites_own() -> None:
    text = '# [a.b]\n[columns]\npatient = "Pat.ID"\n[analytes]\n"Na+ (S.I.)" = "sodium"\n'
    found = mapping([("site.toml", text.encode())]).columns
    assert found.columns == {"patient": "Pat.ID"}
    assert found.dictionary == {"analytes": {"Na+ (S.I.)": "sodium"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[colums]\npatient = "id"', r"'colums' is none of \[columns\], \[constants\]"),
        ('[columns]\npatients = "id"', r"\[columns\] patients: a column that is not one of ours"),
        ("[columns]\npatient = 1", r'\[columns\] patient: expected texts in quotes, as unit'),
        ("columns = 1", r"\[columns\]: expected a table, as \[columns\] on a line"),
        ("[wide]\ncolumn = 'A'", r"expected \[\[wide\]\] in double brackets"),
        ("[[wide]]\ncolumn = 'A'\nanalyte = 'ALT'\nupper = '4'", r"entry 1: upper: expected any"),
        ("[[wide]]\ncolumn = 'A'\nanalyte = 'ALT'\nunit = 'a'\nunit_column = 'b'",
         r"entry 1: unit: expected a text or unit_column, not both"),
        ("[read]\ndecimals = ','", r"\[read\] decimals: expected any of encoding, delimiter"),
        ("[read]\ndecimal = ';'", r"\[read\] decimal: expected one of \. ,"),
        ("[read]\ndates = ['%d.%m.']", r"\[read\] dates: expected %Y, %m"),
        ("[read]\ndates = [1.5]", r"\[read\] dates: expected a text in quotes, or a list"),
        ("[read]\nheader_row = 0", r"\[read\] header_row: expected a number from 1 to"),
        ("[read]\n\"a\\nb\" = 1", r"\[read\] 'a\\nb': expected any of"),
        ("[read]\ndecimal = ['.']", r"\[read\] decimal: expected one, not a list"),
        ("[read]\ntreatment_columns = ['a']", r"\[read\] treatment_columns: expected two columns"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_is_accepted(text: str, says: str) -> None:
    with pytest.raises(FileError, match=rf"site\.toml: .*{says}"):
        declare({}, mapping([("site.toml", text.encode())]))


def test_every_option_may_stand_in_a_mapping() -> None:
    text = """
    [read]
    encoding = "cp1252"
    delimiter = ";"
    decimal = ","
    null = ["n.b.", "-"]
    dates = ["%d.%m.%y", "%d.%m.%Y %H:%M", "excel"]
    century = 1950
    header_row = 3
    header_rows = 2
    skip_rows = 1
    strip = "flags"
    timezone = "Europe/Berlin"
    sheet = "Labor"
    values = "standard"
    baseline = "rule"
    treatment_columns = ["RT Beginn", "RT Ende, falls beendet"]
    fill_down = "patient"
    """
    declared = declare({}, mapping([("site.toml", text.encode())]))
    changed = {
        option.name
        for option in OPTIONS
        if getattr(declared, option.field) != getattr(DEFAULT_OPTIONS, option.field)
    }
    assert changed == {option.name for option in OPTIONS} - {"map"}
    assert declared.treatment == ("RT Beginn", "RT Ende, falls beendet")


def test_an_option_goes_before_the_mapping_and_lists_are_added() -> None:
    text = '[read]\ndecimal = ","\nnull = "-"\ndates = "%d.%m.%Y"\n'
    mapped = mapping([("site.toml", text.encode())])
    declared = declare({"decimal": ["."], "nulls": ["n.b."]}, mapped)
    assert (declared.decimal, declared.nulls, declared.dates) == (".", ("-", "n.b."), ("%d.%m.%Y",))


@pytest.mark.parametrize(
    ("forms", "century", "says"),
    [
        (["%d/%m/%Y", "%m/%d/%Y"], None, "two forms read one text as different days"),
        (["excel", "sas"], None, "two forms read one text as different days"),
        (["%d.%m.%y"], None, "years of two digits need --century"),
        (["%d.%m.%Y", "%d.%m.%y", "%d.%m.%Y %H:%M"], 1950, None),
        (["%d.%m.%Y", "%m/%d/%Y"], None, None),
    ],
)
def test_forms_of_dates_that_are_not_clear(
    forms: list[str], century: int | None, says: str | None
) -> None:
    if says is None:
        check_forms(forms, century)
        return
    with pytest.raises(ParseError, match=says):
        check_forms(forms, century)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, ReadOptions()),
        ('{"dates":"%d.%m.%Y"}', ReadOptions(dates=("%d.%m.%Y",))),
        ('{"dates":["%d.%m.%Y","excel"]}', ReadOptions(dates=("%d.%m.%Y", "excel"))),
        ('{"fill_down":["a"],"map":{"columns":{},"fill_down":["patient"]}}',
         ReadOptions(fill_down=("a", "patient"))),
        ('{"rt_from":["A","B"]}', ReadOptions(treatment=("A", "B"))),
    ],
)  # fmt: skip
def test_options_as_earlier_versions_stored_them(stored: str | None, expected: object) -> None:
    assert from_json(stored) == expected


def test_one_form_of_dates_is_stored_as_ever() -> None:
    assert as_json(ReadOptions(dates=("%d.%m.%Y",))) == '{"dates":"%d.%m.%Y"}'


def test_docs_list_what_a_mapping_may_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8")
    for column in MAPPABLE:
        assert f"| `{column.name}` | {column.meaning}" in page
    for option in OPTIONS:
        assert f"`{option.name}`" in page or option.name == "map"
