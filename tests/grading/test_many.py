"""The column reading gives, row for row, what the plain reading gives."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from app.grading.many import COLUMNS, grade_rows
from app.grading.one import Graders
from app.grading.patient import grade_patient
from app.grading.phase import PRESETS, Window
from app.grading.result import Course
from app.grading.rows import lab_result
from app.grading.rules import Implausible, Rules
from tests.grading import strategies

GRADERS = Graders(strategies.CRITERIA)
Rows = Sequence[dict[str, str | None]]
COURSES = [
    (strategies.START, strategies.END), (strategies.START, None), (None, strategies.END),
    (None, None),
]  # fmt: skip


def by_column(
    rows: Rows, course: tuple[date | None, date | None], rules: Rules
) -> list[tuple[object, ...]]:
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        rt_start=pl.lit(course[0], dtype=pl.Date), rt_end=pl.lit(course[1], dtype=pl.Date)
    )
    graded = grade_rows(frame, GRADERS.under(rules), rules.window)
    return graded.rows()


def one_by_one(
    rows: Rows, course: tuple[date | None, date | None], rules: Rules
) -> list[tuple[object, ...]]:
    courses = [Course(*course)] if any(course) else []
    graded: list[tuple[Any, ...]] = []
    for patient in sorted({str(row["patient"]) for row in rows}):
        mine = [i for i, row in enumerate(rows) if row["patient"] == patient]
        results = [lab_result(rows[i]) for i in mine]
        for entry in grade_patient(results, courses, GRADERS.under(rules), rules.window):
            grade = entry.grade
            graded.append(
                (
                    mine[entry.index], grade.term.name if grade.term else None, grade.grade,
                    grade.at_least, grade.at_most, grade.reason.value if grade.reason else None,
                    " ".join(grade.flags), grade.criterion, entry.phase, entry.on_treatment,
                    entry.days_from_end, entry.baseline_grade, entry.worse_than_baseline,
                )
            )  # fmt: skip
    return sorted(graded, key=lambda entry: entry[0])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(strategies.rows("P1") | strategies.rows("P2"), min_size=1, max_size=12),
    course=st.sampled_from(COURSES),
    window=st.sampled_from(list(PRESETS.values())),
    implausible=st.sampled_from(["refuse", "flag"]),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
)
def test_columns_equal_patients(
    rows: Rows,
    course: tuple[date | None, date | None],
    window: Window,
    implausible: Implausible,
    edition: str,
) -> None:
    rules = Rules(edition=edition, window=window, implausible=implausible)
    assert by_column(rows, course, rules) == one_by_one(rows, course, rules)


def test_no_rows_give_no_grades() -> None:
    assert by_column([], (None, None), Rules()) == []
