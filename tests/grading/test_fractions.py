"""Both graders against fractions and NCI's own wording. Three million rows: ``make bench``."""

import pytest

from tests.grading import oracle
from tests.grading.both_graders import by_column, one_by_one
from toxgrade.criteria.model import Term
from toxgrade.grading.rules import Graders, Rules

_EDITIONS = list(oracle.CRITERIA.editions)
_ROWS = {
    edition: oracle.boundary_rows(oracle.CRITERIA.edition(edition), 4000, seed=403)
    for edition in _EDITIONS
}
_REFUSED = {"implausible-value", "implausible-limit"}
_GRADERS = Graders(oracle.CRITERIA)


@pytest.mark.parametrize("edition", _EDITIONS)
def test_the_rows_are_worth_testing(edition: str) -> None:
    """Every grade of every term occurs, as most values are on a limit or one digit from it."""
    grader = _GRADERS.for_rules(Rules(edition))
    seen = {
        (term.name, term.analyte, oracle.expected(edition, row, term))
        for row in _ROWS[edition]
        for term in grader.terms(row.analyte)
    }
    for term in grader.edition.terms:
        numeric = {c.grade for c in term.grades if not c.clinical}
        found = {grade for name, analyte, grade in seen if (name, analyte) == _key(term)}
        assert found == {0, *numeric}, term.name


def _key(term: Term) -> tuple[str, str]:
    return term.name, term.analyte


@pytest.mark.parametrize("edition", _EDITIONS)
@pytest.mark.parametrize("which_grader", ["one", "many"])
def test_no_row_is_graded_wrongly(which_grader: str, edition: str) -> None:
    grader = _GRADERS.for_rules(Rules(edition))
    found = list((one_by_one if which_grader == "one" else by_column)(_ROWS[edition], grader))
    refused = [f for f in found if f.reason in _REFUSED]
    graded = [f for f in found if f.reason is None]
    by_baseline = [f for f in found if f.reason == "missing-baseline"]
    assert len(refused) + len(graded) + len(by_baseline) == len(found)
    assert len(graded) > 2 * len(refused)
    assert all(f.term.uses_baseline for f in by_baseline)  # The baseline's own limit was refused.
    wrong = [f for f in graded if f.grade != oracle.expected(edition, f.row, f.term, own=f.own)]
    assert wrong == []
