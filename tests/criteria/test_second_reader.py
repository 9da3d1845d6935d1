"""The limits that the second reader finds in NCI's wording are those of the criteria files."""

import re
from decimal import Decimal

import pytest

from tests.criteria.second_reader import (
    INTERPRETED,
    NCI,
    Read,
    limit,
    limits_of,
    prints_a_limit,
    read_cell,
)
from toxgrade.criteria.model import Limit, Term
from toxgrade.criteria.reader import load

_EDITIONS = load().editions
_ENTRIES = [(edition.name, term) for edition in _EDITIONS.values() for term in edition.terms]
_CELLS = [(edition, term, c.grade) for edition, term in _ENTRIES for c in term.grades]


def _name(value: object) -> str:
    return f"{value.name}, {value.analyte}" if isinstance(value, Term) else str(value)


def _from_file(found: Limit) -> Read:
    known = found.condition
    condition = f"{known.subject} {known.comparison} {known.limit}" if known else None
    if found.reference is None:
        return Read(found.comparison, found.amount, None, found.unit, condition)
    return Read(
        found.comparison, found.multiple, found.reference, found.unit, condition, found.amount
    )


@pytest.mark.parametrize(("edition", "term", "grade"), _CELLS, ids=_name)
def test_both_readers_find_the_same_limits(edition: str, term: Term, grade: int) -> None:
    criterion = next(c for c in term.grades if c.grade == grade)
    from_file = {_from_file(found) for found in criterion.limits}
    assert from_file == limits_of(edition, term.name, grade, term.analyte)


@pytest.mark.parametrize("key", INTERPRETED, ids=str)
def test_an_interpretation_differs_from_the_letter(key: tuple[str, str, int]) -> None:
    """An entry that no longer differs would hide a difference to come."""
    edition, name, grade = key
    if edition not in _EDITIONS:
        pytest.skip(f"{edition} is not loaded")
    term = next(t for t in _EDITIONS[edition].terms if t.name == name)
    wording = NCI[name][edition]["grades"][str(grade)]
    letter = read_cell(wording, name, term.analyte) if prints_a_limit(wording) else set()
    assert letter != INTERPRETED[key][1]


def test_no_limit_is_listed_twice() -> None:
    for _, term in _ENTRIES:
        for criterion in term.grades:
            assert len({_from_file(x) for x in criterion.limits}) == len(criterion.limits)


_NUMBER = r"\d+(?:\.\d+)?"


@pytest.mark.parametrize(
    "name", sorted({term.name for edition, term in _ENTRIES if edition == "4.03"})
)
def test_each_range_ends_where_the_next_grade_begins(name: str) -> None:
    """NCI's far ends (the 5.0 of ">3.0 - 5.0 x ULN") are the near ends of the next grade.

    This is why a criteria file needs the nearer end only. Creatinine grade 3 has no far end by
    baseline; hemoglobin increased prints its numbers without a reference; CD4 has a misprint.
    """
    cells = {int(g): text for g, text in NCI[name]["4.03"]["grades"].items() if text}
    for grade, text in cells.items():
        numbers = text.replace(",", "").replace("<0.2 x 0.05 - 10e9", "<0.2 - 0.05 x 10e9")
        far = {Decimal(n) for n in re.findall(rf" - <?({_NUMBER})", numbers)}
        later = " ".join(cells[g] for g in sorted(cells) if g > grade).replace(",", "")
        near = {Decimal(n) for n in re.findall(rf"(?<![\d.e]){_NUMBER}", later)}
        assert far <= near, f"{name}, grade {grade}"


@pytest.mark.parametrize(
    ("text", "name", "limits"),
    [
        (">ULN - 3.0 x ULN", "ALT", {limit(">", "1", "ULN")}),
        (">20.0 x ULN", "ALT", {limit(">", "20", "ULN")}),
        (">100,000/mm3", "Leukocytosis", {limit(">", "100000", "/mm3")}),
        ("<3 - 2 g/dL; <30 - 20 g/L", "Hypo", {limit("<", "3", "g/dL"), limit("<", "30", "g/L")}),
        (
            "<0.25 x LLN or 75% decrease from baseline or absolute value <50 mg/dL",
            "Fibrinogen decreased",
            {limit("<", "0.25", "LLN"), limit("<=", "0.25", "baseline"), limit("<", "50", "mg/dL")},
        ),
        (
            ">ULN - 3 x ULN if baseline was normal; 1.5 - 3 x baseline if baseline was abnormal",
            "ALT",
            {
                limit(">", "1", "ULN", "baseline <= ULN"),
                limit(">=", "1.5", "baseline", "baseline > ULN"),
            },
        ),
        ("pH <normal, but >=7.3", "Acidosis", {limit("<", "1", "LLN")}),
        ("26 - 49 ml/min", "Creatinine clearance decreased", {limit("<=", "49", "mL/min")}),
        ("150 mg/dL - 300 mg/dL", "Hypertriglyceridemia", {limit(">=", "150", "mg/dL")}),
        (
            "125 - <130 mmol/L symptomatic; 120 - <125 mmol/L regardless of symptoms",
            "Hyponatremia",
            {limit("<", "130", "mmol/L")},
        ),
        (">ULN and >Baseline", "Eosinophilia", {limit(">", "1", "ULN", "value > baseline")}),
    ],
)
def test_the_second_reader_reads(text: str, name: str, limits: set[Read]) -> None:
    assert read_cell(text, name, "any") == limits


@pytest.mark.parametrize("text", ["3.0 x ULM", ">3.0 x", ">ULN - 3.0 x ULN; pain", "<30 furlongs"])
def test_the_second_reader_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(AssertionError, match="does not know"):
        read_cell(text, "any", "any")
