"""A criteria file that is incomplete or contradicts itself is refused whole, naming the place."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

import toxgrade.criteria
from toxgrade.criteria.grammar import parse_limit
from toxgrade.criteria.reader import describe, load
from toxgrade.criteria.vocabulary import check_vocabularies, load_vocabularies
from toxgrade.errors import CriteriaError

_FILES = Path(toxgrade.criteria.__file__).parent


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for path in _FILES.glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def _edit(files: Path, name: str, old: str, new: str) -> None:
    path = files / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('when = "> 3 x ULN"', 'when = "more than 3"', "Alanine.* grade 2: 'more than 3' is not"),
        ('when = "> 3 x ULN"', 'when = ">3 x ULN"', "grade 2: '>3 x ULN' is not a limit"),
        ('when = "> 3 x ULN"', 'when = "> 0.5 x ULN"', "not harder to reach than grade 1"),
        ('when = "> 3 x ULN"', 'when = "> 1 x ULN"', "not harder to reach than grade 1"),
        ('when = "> 3 x ULN"', 'when = "< 3 x LLN"', "must all be above, or all below"),
        ('when = "> 3 x ULN"', 'when = "> 3 x LLN"', "not compared with the LLN"),
        ('when = "> 3 x ULN"', 'when = "> 3 mg/dL"', "'mg/dL' is not a unit of ALT"),
        ('when = "> 3 x ULN"', 'when = ""', "has says and when, or clinical alone"),
        ('when = "> 3 x ULN"', "when = []", "has says and when, or clinical alone"),
        (', when = "> 3 x ULN"', "", "has says and when, or clinical alone"),
        ('"> 1 x ULN" }', '"> 1 x ULN if baseline > LLN" }', "a condition is baseline"),
        ("grade.1 = { says", "grade.0 = { says", "grades run from 1 to 5"),
        ('meddra = "10001551"', 'meddra = "1000155"', "a MedDRA code has 8 digits"),
        ('meddra = "10003481"', 'meddra = "10001551"', "10001551 is there twice"),
        ('analyte = "ALT"', 'analyte = "ALAT"', "'ALAT' is not an analyte"),
        ('soc = "Investigations"', 'system = "x"', "has exactly analyte, grade, meddra, name, soc"),
        ('["< 3 g/dL", "< 30 g/L"]', '["< 3 g/dL"]', "absolute limits in different units"),
        ('label = "', 'title = "', r"\[edition\] has exactly"),
        ("[edition]", "[edition", "not TOML"),
    ],
)
def test_a_contradictory_edition_is_refused(files: Path, old: str, new: str, says: str) -> None:
    _edit(files, "ctcae_4_03.toml", old, new)
    with pytest.raises(CriteriaError, match=rf"ctcae_4_03.toml: .*{says}"):
        load(files)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"1975-2", ', '"1975-3", ', "bilirubin: the check digit of LOINC 1975-3 is wrong"),
        ('"1742-6", ', '"1975-2", ', "'1975-2' is there twice"),
        ('aliases = ["SGPT"', 'aliases = ["SGOT"', "'sgot' is there twice"),
        ('units = "bilirubin"', 'units = "bile"', "there is no set of units 'bile'"),
        ('factor = "60"', 'factor = "sixty"', "a factor is 0.001 or 10000/584.66"),
        ('factor = "60"', 'factor = "0"', "a factor is above 0"),
        ('kind = "activity"', 'kind = "power"', "needs factor, kind"),
        ('value = ["0", "2500"]', 'value = ["2500", "0"]', "plausible.value runs from 0"),
        (
            'in = { "g/dL" = ["0", "100"] }',
            'in = { "g" = ["0", "1"] }',
            "no set of units 'albumin'",
        ),
        ('value = ["0", "2500"]', 'value = ["0"]', "plausible.value is two numbers in quotes"),
        ('canonical = "U/L"', 'canonical = "U/mL"', "must be one of its units, with factor 1"),
        ("full_name = ", "fullname = ", "unknown key fullname"),
    ],
)
def test_a_contradictory_analyte_file_is_refused(
    files: Path, old: str, new: str, says: str
) -> None:
    _edit(files, "analytes.toml", old, new)
    with pytest.raises(CriteriaError, match=rf"analytes.toml: .*{says}"):
        load(files)


def test_a_folder_without_an_edition_is_refused(files: Path) -> None:
    for path in files.glob("ctcae_*.toml"):
        path.unlink()
    with pytest.raises(CriteriaError, match=r"there is no ctcae_\*\.toml"):
        load(files)


def test_any_change_changes_the_hash(files: Path) -> None:
    before = load(files).edition("4.03").sha256
    assert before == load().edition("4.03").sha256
    _edit(files, "analytes.toml", "# The laboratory tests", "# Laboratory tests")
    assert load(files).edition("4.03").sha256 != before


@pytest.mark.parametrize(
    ("text", "comparison", "multiple", "reference", "amount", "unit"),
    [
        ("> 1.5 x ULN", ">", "1.5", "ULN", "0", None),
        ("< LLN", "<", "1", "LLN", "0", None),
        ("> 3 x baseline", ">", "3", "baseline", "0", None),
        ("< 30 g/L", "<", "0", None, "30", "g/L"),
        ("> ULN + 2 g/dL", ">", "1", "ULN", "2", "g/dL"),
        (">= 25 % below baseline", "<=", "0.75", "baseline", "0", None),
        ("> 0 % below baseline", "<", "1", "baseline", "0", None),
        ("> 50 % above baseline", ">", "1.5", "baseline", "0", None),
    ],
)
def test_the_grammar_reads(
    text: str, comparison: str, multiple: str, reference: str | None, amount: str, unit: str | None
) -> None:
    limit = parse_limit(text)
    assert (limit.comparison, limit.multiple, limit.reference, limit.amount, limit.unit) == (
        comparison, Decimal(multiple), reference, Decimal(amount), unit,
    )  # fmt: skip


def test_what_was_read_is_described() -> None:
    *editions, analytes = describe(load())
    assert [line.partition(", sha256 ")[0] for line in editions] == [
        "CTCAE v4.0 (release 4.03, 2010-06-14): 45 terms, 230 limits",
        "CTCAE v5.0 (2017-11-27): 44 terms, 228 limits",
        "CTCAE v6.0 (2025-07-22, errata 2026-01-20): 48 terms, 227 limits",
    ]
    assert analytes == "38 analytes, 112 LOINC codes graded, 26 refused"


@pytest.mark.parametrize("name", ["4.03", "4.0"])
def test_an_edition_is_found_by_either_name(name: str) -> None:
    assert load().edition(name).name == "4.03"


def test_an_unknown_edition_names_those_there_are() -> None:
    with pytest.raises(CriteriaError, match=r"the editions are 4\.03"):
        load().edition("3.0")


def test_an_edition_without_its_vocabulary_is_refused() -> None:
    """Its studies could be made, and then their events could not be read."""
    vocabularies = load_vocabularies()
    check_vocabularies(load(), vocabularies)
    with pytest.raises(CriteriaError, match=r"lacks .* of edition 5\.0"):
        check_vocabularies(load(), {k: v for k, v in vocabularies.items() if k != "5.0"})
