"""How many of a million boundary rows are graded wrongly, beside what binary floats get wrong."""

import polars as pl

from app.grading.many import COLUMNS, grade_rows
from app.grading.one import OWN_LIMITS, Graders
from app.grading.rows import lab_result
from app.grading.rules import Rules
from tests.grading import oracle

_MANY, _ONE = 1_000_000, 100_000
_GRADER = Graders(oracle.CRITERIA).under(Rules())
_ABSENT = dict.fromkeys(COLUMNS)


def main() -> None:
    """Grade the rows by column, one by one and in floats, and compare with fractions."""
    rows = oracle.boundary_rows(_MANY, seed=1)
    known = [
        {term.name: oracle.expected(row, term.name) for term in _GRADER.terms(row["analyte"])}
        for row in rows
    ]
    print("exactness: rows on a limit or one last digit beside it, against fractions (seed 1)")
    print(f"{'reading':<28}{'gradings':>12}{'refused':>10}{'wrong':>8}")
    for name, found in (
        ("many.py", _many(rows)),
        ("one.py", _one(rows[:_ONE])),
        ("64-bit floats, for comparison", _floats(rows)),
    ):
        graded = [(row, term, grade) for row, term, grade in found if grade is not None]
        wrong = sum(known[row][term] != grade for row, term, grade in graded)
        print(f"{name:<30}{len(graded):>10,}{len(found) - len(graded):>10,}{wrong:>8,}")


Found = list[tuple[int, str, int | None]]


def _many(rows: list[dict[str, str]]) -> Found:
    nothing = pl.lit(None, dtype=pl.Date)
    frame = pl.DataFrame(
        [{**_ABSENT, **row} for row in rows], schema=dict.fromkeys(COLUMNS, pl.String)
    ).with_columns(rt_start=nothing, rt_end=nothing)
    return grade_rows(frame, _GRADER, Rules().window).select("row", "term", "grade").rows()


def _one(rows: list[dict[str, str]]) -> Found:
    return [
        (i, term.name, _GRADER.grade(lab_result({**_ABSENT, **row}), term, OWN_LIMITS).grade)
        for i, row in enumerate(rows)
        for term in _GRADER.terms(row["analyte"])
    ]


def _floats(rows: list[dict[str, str]]) -> Found:
    """What most programs do: every number a float, limits multiplied as they are printed."""
    found: Found = []
    for i, row in enumerate(rows):
        factor = float(oracle.CRITERIA.analytes[row["analyte"]].unit(row["unit"]).factor)
        value, lln, uln = (float(row[name]) for name in ("value", "lln", "uln"))
        for term in _GRADER.terms(row["analyte"]):
            grade = 0
            for number, comparison, limit, reference in oracle.limits(term.name):
                if reference is None:
                    bound = float(limit) / factor
                else:
                    bound = float(limit) * (uln if reference == "ULN" else lln)
                if value > bound if comparison == ">" else value < bound:
                    grade = max(grade, number)
            found.append((i, term.name, grade))
    return found
