"""A second reader: limits derived from NCI's wording alone must be those of the criteria file.

It shares no code with the grammar. A limit here is its comparison, number, reference,
unit and condition:
``(">", 3, "ULN", None, None)``, ``("<", 30, None, "g/L", None)``.
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.criteria.model import Limit
from app.criteria.reader import load

_NCI: dict[str, Any] = json.loads(
    (Path(__file__).parent / "nci_lab_terms.json").read_text(encoding="utf-8")
)
_TERMS = load().edition("4.03").terms


class Read(NamedTuple):
    """One limit as a plain tuple; ``number`` multiplies the reference or stands alone.

    ``added`` is put on top of the reference (hemoglobin increased).
    """

    comparison: str
    number: Decimal
    reference: str | None
    unit: str | None
    condition: str | None = None
    added: Decimal = Decimal(0)


# The parts of a cell that no number decides.
_WORDS = {"transfusion indicated"}

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"/mm3|x 10e9 /L|g/dL|gm/dL|g/L|mmol/L|mg/dL"
_UNITS = {"x 10e9 /L": "10*9/L", "gm/dL": "g/dL"}


def read_cell(text: str) -> set[Read]:
    """Every limit that a grade's cell prints, by the end nearer to normal."""
    increase = re.fullmatch(
        rf"Increase in >({_NUMBER})(?: - {_NUMBER})? (gm/dL)"
        r" above ULN or above baseline if baseline is above ULN",
        text,
    )
    if increase:
        added = Decimal(increase[1])
        unit = _UNITS[increase[2]] if added else None
        return {
            Read(">", Decimal(1), "ULN", unit, "<= ULN", added),
            Read(">", Decimal(1), "baseline", unit, "> ULN", added),
        }
    plain = text.replace(",", "").removeprefix("Hemoglobin (Hgb) ").removeprefix("Hgb ")
    parts = [part for part in re.split(r"; | or ", plain) if part not in _WORDS]
    return {_read_part(part) for part in parts}


def _read_part(part: str) -> Read:
    # "<LLN - 30 g/L" and ">ULN - 3.0 x ULN": the limit is the reference itself.
    if found := re.fullmatch(rf"([<>])(ULN|LLN)(?: - {_NUMBER} ?(?:x [UL]LN|{_UNIT}))", part):
        return Read(found[1], Decimal(1), found[2], None)
    # ">3.0 - 5.0 x ULN", "<1.0 - 0.75 x LLN", ">1 - 1.5 x baseline"; ">3.0 baseline" has no "x".
    if found := re.fullmatch(
        rf"([<>])({_NUMBER})(?: - {_NUMBER})? (?:x )?(ULN|LLN|baseline)", part
    ):
        return Read(found[1], Decimal(found[2]), found[3], None)
    # "<25% decrease from baseline" (some decrease), "25 - <50% decrease ...", "75% decrease ...".
    if found := re.fullmatch(r"(<?)(\d+)(?: - <\d+)?% decrease from baseline", part):
        if found[1]:
            return Read("<", Decimal(1), "baseline", None)
        return Read("<=", 1 - Decimal(found[2]) / 100, "baseline", None)
    # "<3000 - 2000/mm3", "<3.0 - 2.0 x 10e9 /L", "absolute value <50 mg/dL", "<100 - 80g/L".
    if found := re.fullmatch(
        rf"(?:absolute value )?([<>])({_NUMBER})(?: - {_NUMBER})? ?({_UNIT})", part
    ):
        return Read(found[1], Decimal(found[2]), None, _UNITS.get(found[3], found[3]))
    raise AssertionError(f"the second reader does not know {part!r}")


def from_file(limit: Limit) -> Read:
    known = limit.condition
    condition = f"{known.comparison} {known.limit}" if known else None
    if limit.reference is None:
        return Read(limit.comparison, limit.amount, None, limit.unit, condition)
    return Read(
        limit.comparison, limit.multiple, limit.reference, limit.unit, condition, limit.amount
    )


# Where the file deliberately differs from the wording: (term, grade) to the reason. None today.
_KNOWN_DIFFERENCES: dict[tuple[str, int], str] = {}

_CELLS = [(term.name, criterion.grade) for term in _TERMS for criterion in term.grades]


@pytest.mark.parametrize(("name", "grade"), _CELLS)
def test_both_readers_find_the_same_limits(name: str, grade: int) -> None:
    criterion = next(c for t in _TERMS if t.name == name for c in t.grades if c.grade == grade)
    wording = _NCI[name]["4.03"]["grades"][str(grade)]
    from_wording = read_cell(wording) if any(c.isdigit() for c in wording) else set()
    same = {from_file(limit) for limit in criterion.limits} == from_wording
    assert same is ((name, grade) not in _KNOWN_DIFFERENCES)


def test_no_limit_is_listed_twice() -> None:
    for term in _TERMS:
        for criterion in term.grades:
            assert len({from_file(x) for x in criterion.limits}) == len(criterion.limits)


@pytest.mark.parametrize("name", sorted({name for name, _ in _CELLS}))
def test_each_range_ends_where_the_next_grade_begins(name: str) -> None:
    """NCI's far ends (the 5.0 of ">3.0 - 5.0 x ULN") are the near ends of the next grade.

    This is why a criteria file needs the nearer end only. Creatinine grade 3 has no far end by
    baseline; hemoglobin increased prints its numbers without a reference.
    """
    cells = {int(g): text for g, text in _NCI[name]["4.03"]["grades"].items() if text}
    for grade, text in cells.items():
        far = {Decimal(n) for n in re.findall(rf" - <?({_NUMBER})", text.replace(",", ""))}
        following = cells.get(grade + 1, "").replace(",", "")
        near = {Decimal(n) for n in re.findall(rf"(?<![\d.e]){_NUMBER}", following)}
        assert far <= near, f"{name}, grade {grade}"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        (">ULN - 3.0 x ULN", {Read(">", Decimal(1), "ULN", None)}),
        (">20.0 x ULN", {Read(">", Decimal(20), "ULN", None)}),
        (">100,000/mm3", {Read(">", Decimal(100000), None, "/mm3")}),
        (
            "<3 - 2 g/dL; <30 - 20 g/L",
            {Read("<", Decimal(3), None, "g/dL"), Read("<", Decimal(30), None, "g/L")},
        ),
        (
            "<0.25 x LLN or 75% decrease from baseline or absolute value <50 mg/dL",
            {
                Read("<", Decimal("0.25"), "LLN", None),
                Read("<=", Decimal("0.25"), "baseline", None),
                Read("<", Decimal(50), None, "mg/dL"),
            },
        ),
    ],
)
def test_the_second_reader_reads(text: str, limits: set[Read]) -> None:
    assert read_cell(text) == limits


@pytest.mark.parametrize("text", ["3.0 x ULN", ">3.0", ">ULN - 3.0 x ULN; pain", "<30 furlongs"])
def test_the_second_reader_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(AssertionError, match="does not know"):
        read_cell(text)
