"""Both graders on an oracle's rows: each result against its baseline, and the baseline itself."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Generic, NamedTuple, Protocol, TypeVar

import polars as pl

from toxgrade.criteria.model import Term
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import Grade, LabResult
from toxgrade.grading.rules import Rules

_ABSENT = dict.fromkeys(COLUMNS)


class Row(Protocol):
    """A result and the patient's baseline, which may be absent."""

    @property
    def analyte(self) -> str: ...
    def fields(self, which: str) -> Mapping[str, str | None] | None: ...


AnyRow = TypeVar("AnyRow", bound=Row)


class Found(NamedTuple, Generic[AnyRow]):
    """One grading of a row: of its result, or of its baseline (``own``)."""

    row: AnyRow
    term: Term
    own: bool
    grade: int | None
    reason: str | None
    at_least: int | None
    at_most: int | None


def one_by_one(rows: Sequence[AnyRow], grader: TermGrader) -> Iterator[Found[AnyRow]]:
    """Grade every result against its baseline, and every baseline, by the plain grader."""
    for row in rows:
        result, before = _read(row, "result"), _read(row, "baseline")
        assert result is not None
        for term in grader.terms(row.analyte):
            yield _found(row, term, False, grader.grade(result, term, before))
            if before is not None:
                own = grader.grade(before, term, REFERENCE_RANGE_ONLY)
                yield _found(row, term, True, own)


def _read(row: Row, which: str) -> LabResult | None:
    fields = row.fields(which)
    return None if fields is None else lab_result({**_ABSENT, **fields})


def _found(row: AnyRow, term: Term, own: bool, grade: Grade) -> Found[AnyRow]:
    return Found(row, term, own, grade.grade, grade.reason, grade.at_least, grade.at_most)


def by_column(rows: Sequence[AnyRow], grader: TermGrader) -> Iterator[Found[AnyRow]]:
    """Grade them by the column grader: one patient per row, the baseline a day before the start."""
    start = date(2012, 1, 2)
    sent = [
        (i, own, fields)
        for i, row in enumerate(rows)
        for own in (True, False)
        if (fields := row.fields("baseline" if own else "result")) is not None
    ]
    entries = [
        {**_ABSENT, **fields, "patient": str(i), "collected": f"2012-01-0{1 if own else 3}"}
        for i, own, fields in sent
    ]
    frame = pl.DataFrame(entries, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        rt_start=pl.lit(start), rt_end=pl.lit(start)
    )
    graded = grade_rows(frame, grader, Rules().window)
    terms = {(row.analyte, term.name): term for row in rows for term in grader.terms(row.analyte)}
    wanted = graded.select("row", "term", "grade", "reason", "at_least", "at_most")
    for place, name, *grade in wanted.iter_rows():
        i, own, _ = sent[place]
        yield Found(rows[i], terms[rows[i].analyte, name], own, *grade)
