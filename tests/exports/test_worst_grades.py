"""The worst grades of an export equal the summaries of its patients."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from tests.grading import strategies
from tests.grading.columns.test_grader import COURSES, GRADERS, Rows
from tests.grading.columns.test_pieces import pieces
from toxgrade.exports.worst_grades import Worst, worst_grades
from toxgrade.grading.flags import Reason
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Rules
from toxgrade.grading.summary import Graded, summarise


def _by_cells(
    rows: Rows, course: tuple[date | None, date | None], rules: Rules, size: int
) -> set[object]:
    columns, graded = pieces(rows, course, rules, size)
    worst = Worst(len(columns.patients), with_days=False)
    for piece in graded:
        worst.add(piece)
    return set(worst_grades(worst.bounds(columns.patients["patient"])).iter_rows())


def _by_summaries(rows: Rows, course: tuple[date | None, date | None], rules: Rules) -> set[object]:
    courses = [Course(*course)] if any(course) else []
    found: set[object] = set()
    for patient in ("P1", "P2"):
        results = [lab_result(row) for row in rows if row["patient"] == patient]
        entries = grade_patient(results, courses, GRADERS.for_rules(rules), rules.window)
        graded = [Graded.of(e) for e in entries if e.grade.reason is not Reason.NOT_FINAL]
        found |= {(patient, *astuple(one)) for one in summarise(graded)}
    return found


@settings(max_examples=60, deadline=None)
@given(
    rows=strategies.exports(),
    course=st.sampled_from(COURSES),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    size=st.integers(1, 12),
)
def test_worst_grades_equal_summaries(
    rows: Rows, course: tuple[date | None, date | None], edition: str, size: int
) -> None:
    rules = Rules(edition=edition)
    assert _by_cells(rows, course, rules, size) == _by_summaries(rows, course, rules)


@pytest.mark.parametrize(
    ("before", "acute", "late", "expected"),
    [
        ("30", "130", "39", (0, 2, 2, 0, 0, True, False)),
        ("130", "130", "201", (2, 2, 2, 3, 3, False, True)),
        ("130", "41", "<100", (2, 1, 1, None, 1, False, False)),  # at most 2.5 x ULN
        ("130", "41", "<201", (2, 1, 1, None, 3, False, None)),
        ("<130", "41", "201", (None, 1, 1, 3, 3, None, True)),  # the baseline is 2 at most
        (None, "41", "130", (None, 1, 1, 2, 2, None, None)),
        ("30", None, "lost", (0, None, None, None, None, None, None)),
    ],
)
def test_worse_than_the_baseline_only_where_it_is_certain(
    before: str | None, acute: str | None, late: str, expected: tuple[object, ...]
) -> None:
    days = {"2011-01-20": before, "2011-04-23": acute, "2012-04-23": late}
    rows = [
        dict.fromkeys(COLUMNS)
        | {"patient": "P1", "collected": day, "analyte": "ALT", "unit": "U/L", "uln": "40"}
        | {"value": value}
        for day, value in days.items()
        if value is not None
    ]
    course = (date(2011, 1, 24), date(2011, 3, 9))
    (found,) = _by_cells(rows, course, Rules(), 2)
    assert found == ("P1", "Alanine aminotransferase increased", *expected)
    assert {found} == _by_summaries(rows, course, Rules())
