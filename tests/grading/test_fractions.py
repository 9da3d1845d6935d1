"""Both graders against fractions and NCI's own wording. A million rows: ``make bench``."""

import polars as pl
import pytest

from app.grading.many import COLUMNS, grade_rows
from app.grading.one import OWN_LIMITS, Graders
from app.grading.rows import lab_result
from app.grading.rules import Rules
from tests.grading import oracle

_GRADER = Graders(oracle.CRITERIA).under(Rules())
_ROWS = oracle.boundary_rows(4000, seed=403)
_REFUSED = {"implausible-value", "implausible-limit"}
_ABSENT = dict.fromkeys(COLUMNS)


def test_the_rows_are_worth_testing() -> None:
    """Every grade of every term occurs, and most values lie on a limit or one digit beside it."""
    seen = {
        (term.name, oracle.expected(row, term.name))
        for row in _ROWS
        for term in _GRADER.terms(row["analyte"])
    }
    for name in oracle.ANALYTES:
        for term in _GRADER.terms(name):
            numeric = {c.grade for c in term.grades if not c.clinical}
            assert {grade for found, grade in seen if found == term.name} == {0, *numeric}


@pytest.mark.parametrize("reading", ["one", "many"])
def test_no_row_is_graded_wrongly(reading: str) -> None:
    wrong, refused, graded = [], 0, 0
    for row, term, found, reason in _one() if reading == "one" else _many():
        if reason is not None:
            refused += 1
            assert reason in _REFUSED
            continue
        graded += 1
        if found != oracle.expected(row, term):
            wrong.append((row, term, found))
    assert wrong == []
    assert graded > 4000 > refused


Found = tuple[dict[str, str], str, int | None, str | None]


def _one() -> list[Found]:
    found: list[Found] = []
    for row in _ROWS:
        for term in _GRADER.terms(row["analyte"]):
            grade = _GRADER.grade(lab_result({**_ABSENT, **row}), term, OWN_LIMITS)
            found.append((row, term.name, grade.grade, grade.reason))
    return found


def _many() -> list[Found]:
    frame = pl.DataFrame(
        [{**_ABSENT, **row} for row in _ROWS], schema=dict.fromkeys(COLUMNS, pl.String)
    ).with_columns(rt_start=pl.lit(None, dtype=pl.Date), rt_end=pl.lit(None, dtype=pl.Date))
    graded = grade_rows(frame, _GRADER, Rules().window)
    entries = graded.select("row", "term", "grade", "reason").iter_rows()
    return [(_ROWS[row], term, grade, reason) for row, term, grade, reason in entries]
