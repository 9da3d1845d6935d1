"""Both graders on the oracle's rows: each result against its baseline, and the baseline itself."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import polars as pl

from tests.grading import oracle
from toxgrade.criteria.model import Term
from toxgrade.grading.columns.grader import grade_rows
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.rules import Rules

_ABSENT = dict.fromkeys(COLUMNS)


class Found(NamedTuple):
    """One grading of a row: of its result, or of its baseline (``own``)."""

    row: oracle.Row
    term: Term
    own: bool
    grade: int | None
    reason: str | None


def one_by_one(rows: list[oracle.Row], grader: TermGrader) -> Iterator[Found]:
    """Grade every result against its baseline, and every baseline, by the plain grader."""
    for row in rows:
        result = lab_result({**_ABSENT, **row.fields("result")})
        before = lab_result({**_ABSENT, **row.fields("baseline")})
        for term in grader.terms(row.analyte):
            for own in (False, True):
                grade = grader.grade(
                    before if own else result, term, REFERENCE_RANGE_ONLY if own else before
                )
                yield Found(row, term, own, grade.grade, grade.reason)


def by_column(rows: list[oracle.Row], grader: TermGrader) -> Iterator[Found]:
    """Grade them by the column grader: one patient per row, the baseline a day before the start."""
    start = date(2012, 1, 2)
    entries = [
        {**_ABSENT, **row.fields(which), "patient": str(i), "collected": f"2012-01-0{day}"}
        for i, row in enumerate(rows)
        for day, which in ((1, "baseline"), (3, "result"))
    ]
    frame = pl.DataFrame(entries, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        rt_start=pl.lit(start), rt_end=pl.lit(start)
    )
    graded = grade_rows(frame, grader, Rules().window)
    terms = {(row.analyte, term.name): term for row in rows for term in grader.terms(row.analyte)}
    for place, name, grade, reason in graded.select("row", "term", "grade", "reason").iter_rows():
        row = rows[place // 2]
        yield Found(row, terms[row.analyte, name], place % 2 == 0, grade, reason)
