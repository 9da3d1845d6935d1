"""An export in pieces is graded as a whole one, whether cases are kept or each row is its own."""

from datetime import date
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, Courses, Rows, frame_of, one_by_one
from toxgrade.grading.columns import grader, interning
from toxgrade.grading.columns.output import FOR_COUNTING
from toxgrade.grading.columns.patient import ColumnGrader
from toxgrade.grading.parse import COLUMNS
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Rules

_COURSE: Courses = {"P1": [Course(date(2011, 1, 24), date(2011, 3, 9))]}


def pieces(
    rows: Rows, courses: Courses, rules: Rules, size: int
) -> tuple[ColumnGrader, list[pl.DataFrame]]:
    """Return the grader and ``rows`` graded in pieces of ``size``."""
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String))
    columns = ColumnGrader(GRADERS.for_rules(rules), rules.window, frame_of(courses))
    places = range(0, len(frame), size)
    parts = [frame[place : place + size] for place in places]
    read = [
        columns.read(part, columns.number(part["patient"]), place)
        for part, place in zip(parts, places, strict=True)
    ]
    columns.settle(lambda: zip(read, parts, strict=True))
    return columns, [columns.grade(*each) for each in zip(read, parts, places, strict=True)]


def in_pieces(
    rows: Rows, courses: Courses, rules: Rules, size: int, most: int, sample: int = 1000
) -> list[tuple[object, ...]]:
    """Return ``rows`` graded in pieces of ``size``; after ``most`` cases no more are kept, and none
    of a piece of ``sample`` or more rows that hardly repeat.
    """
    with patch.object(grader, "_MAX_CASES", most), patch.object(interning, "_SAMPLE_ROWS", sample):
        _, graded = pieces(rows, courses, rules, size)
    found = pl.concat(graded)
    return found.drop(FOR_COUNTING).with_columns(found["course"]).rows()


@settings(max_examples=30, deadline=None)
@given(
    rows=strategies.exports(),
    courses=st.fixed_dictionaries(dict.fromkeys(strategies.PATIENTS, strategies.courses())),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    size=st.integers(1, 4),
    most=st.sampled_from([0, 3, 1000]),
    sample=st.sampled_from([1, 2, 3, 1000]),
)
def test_pieces_change_nothing(
    rows: Rows, courses: Courses, edition: str, size: int, most: int, sample: int
) -> None:
    rules = Rules(edition=edition)
    assert in_pieces(rows, courses, rules, size, most, sample) == one_by_one(rows, courses, rules)


@pytest.mark.parametrize("most", [0, 1000])
def test_a_baseline_keeps_its_unit_where_units_are_met_anew(most: int) -> None:
    def alt(collected: str, value: str, unit: str, uln: str) -> dict[str, str | None]:
        named = {"patient": "P1", "collected": collected, "value": value, "unit": unit, "uln": uln}
        return dict.fromkeys(COLUMNS) | named | {"analyte": "ALT"}

    rows = [alt("2011-01-20", "1.5", "ukat/L", "0.67"), alt("2011-04-23", "300", "U/L", "40")]
    rules = Rules(edition="5.0")
    found = in_pieces(rows, _COURSE, rules, 1, most)
    assert found == one_by_one(rows, _COURSE, rules)
    assert found[1][2] == 2  # 300 U/L are 3.3 times 1.5 ukat/L, which are 90 U/L
