"""The case tables leave no limit of any criteria file untried: below it, on it and above it."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import pytest

from tests.validation.every_limit import path, table
from toxgrade.criteria.model import Analyte, Condition, Limit, Term
from toxgrade.criteria.reader import load
from toxgrade.validation.checks import Case, tables

_CRITERIA = load()
_NEAR = Fraction(1, 20)  # a case tries a limit that it lies within 5 % of


class _Limit(NamedTuple):
    edition: str
    term: Term
    grade: int
    limit: Limit

    def __str__(self) -> str:
        named = f"{self.edition} {self.term.name} ({self.term.analyte}) {self.grade}"
        return f"{named}: {self.limit.when}"


_LIMITS = [
    _Limit(edition.name, term, criterion.grade, limit)
    for edition in _CRITERIA.editions.values()
    for term in edition.terms
    for criterion in term.grades
    for limit in criterion.limits
]
_CASES: dict[tuple[str, str, str], list[Case]] = {}
for _case in (case for cases in tables().values() for case in cases):
    _CASES.setdefault((_case["edition"], _case["term"], _case["analyte"]), []).append(_case)


def _tried(limit: Limit, analyte: Analyte, cases: list[Case]) -> Iterator[tuple[int, str]]:
    """For each case near the limit: -1, 0 or 1 as it lies below, on or above it; its grade."""
    for case in cases:
        numbers = {name: Fraction(case[name]) for name in ("lln", "uln", "baseline") if case[name]}
        if case["limit_unit"] or case["baseline_unit"] not in ("", case["unit"]):
            continue
        bound = _bound(limit, analyte, case["unit"], numbers)
        if bound is None or not _is_met(limit.condition, numbers):
            continue
        try:
            value = Fraction(case["value"])
        except ValueError:
            continue
        if abs(value - bound) <= _NEAR * bound:
            yield (value > bound) - (value < bound), case["grade"]


def _bound(
    limit: Limit, analyte: Analyte, unit: str, numbers: dict[str, Fraction]
) -> Fraction | None:
    """The limit as a number in a case's unit; None where the case has not what it needs."""
    units = {one.name: one.factor for one in analyte.units}
    if unit not in units:
        return None
    amount = Fraction(limit.amount)
    if limit.unit and limit.unit in units:
        amount *= units[limit.unit] / units[unit]
    if limit.reference is None:
        return amount if limit.unit in (None, unit) else None
    reference = numbers.get(limit.reference.lower())
    return None if reference is None else Fraction(limit.multiple) * reference + amount


def _is_met(condition: Condition | None, numbers: dict[str, Fraction]) -> bool:
    """Whether a condition on the baseline holds; one on the value is the value's own affair."""
    if condition is None or condition.subject == "value":
        return True
    left, right = numbers.get("baseline"), numbers.get(condition.limit.lower())
    if left is None or right is None:
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[
        condition.comparison
    ]


@pytest.mark.parametrize("one", _LIMITS, ids=str)
def test_every_limit_is_tried_on_both_sides_and_on_itself(one: _Limit) -> None:
    analyte = _CRITERIA.analytes[one.term.analyte]
    cases = _CASES.get((one.edition, one.term.name, one.term.analyte), [])
    tried = list(_tried(one.limit, analyte, cases))
    assert {side for side, _ in tried} == {-1, 0, 1}
    beyond = 1 if ">" in one.limit.comparison else -1
    reached = [grade for side, grade in tried if side == beyond and grade.isdecimal()]
    if one.limit.condition is None or one.limit.condition.subject == "baseline":
        assert reached
        assert all(int(grade) >= one.grade for grade in reached)


@pytest.mark.parametrize("edition", list(_CRITERIA.editions))
def test_the_tables_are_those_that_the_criteria_give(edition: str) -> None:
    """``python -m tests.validation.every_limit`` writes them, with grades found in fractions."""
    found = _CRITERIA.editions[edition]
    assert path(found).read_text("utf-8") == table(found)


@pytest.mark.parametrize("edition", list(_CRITERIA.editions))
def test_every_term_is_tried_without_what_it_needs(edition: str) -> None:
    untried = [
        f"{term.name} ({term.analyte})"
        for term in _CRITERIA.editions[edition].terms
        if any(limit.reference for c in term.grades for limit in c.limits)
        and not any(
            case["reason"].startswith("missing-")
            for case in _CASES[edition, term.name, term.analyte]
        )
    ]
    assert untried == []
