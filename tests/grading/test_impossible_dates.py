"""Dates that cannot be: after the patient's death, in the future, decades from radiotherapy."""

from datetime import date

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.impossible_dates import is_after_death, is_far_from_treatment, is_future
from toxgrade.grading.parse import COLUMNS, read_collected
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules

_GRADER = Graders(load(only="4.03")).for_rules(Rules())


def _course(start: str | None, end: str | None = None) -> Course:
    first, last = (date.fromisoformat(day) if day else None for day in (start, end))
    return Course(first, last)


@pytest.mark.parametrize(
    ("collected", "status", "is_after"),
    [
        ("2020-03-20", "final", False),  # on the day of death
        ("2020-03-21", "final", True),
        ("2020-03-21T00:30+14:00", "final", True),  # the date as written decides
        ("2020-03", "final", False),  # of this month, perhaps before
        ("2020", "final", False),
        ("2020-04", "final", True),
        ("2021", "final", True),
        ("2020-03-21", "preliminary", True),
        ("2020-03-21", "corrected", True),
        ("2020-03-21", "entered-in-error", False),  # a withdrawal is always taken
        ("2020-03-21", "cancelled", False),
        (None, "final", False),
    ],
)
def test_after_the_death_of_2020_03_20(collected: str | None, status: str, is_after: bool) -> None:
    day = read_collected(collected) if collected else None
    result = LabResult("ALT", None, collected=day, status=status)
    assert is_after_death(result, date(2020, 3, 20)) is is_after
    assert not is_after_death(result, None)


FAR = [
    ("2099-03-02", [_course("2020-01-06", "2020-02-14")], True),  # a slip of the keyboard
    ("2040-02-14", [_course("2020-01-06", "2020-02-14")], False),  # 20 years to the day
    ("2040-02-15", [_course("2020-01-06", "2020-02-14")], True),
    ("2000-01-07", [_course("2020-01-06", "2020-02-14")], False),
    ("2000-01-05", [_course("2020-01-06", "2020-02-14")], True),
    ("2040-02", [_course("2020-01-06", "2020-02-14")], False),  # perhaps within 20 years
    ("2040-03", [_course("2020-01-06", "2020-02-14")], True),
    ("2150-05-01", [_course("2150-01-06", "2150-02-14")], False),  # de-identified data
    ("2202-05-01", [_course("2201-12-06")], False),
    ("2020-05-01", [_course("2150-01-06")], True),  # shifted treatment, a result that is not
    ("2030-05-01", [_course("1995-01-06"), _course("2020-01-06")], False),  # near one of them
    ("2099-05-01", [], False),  # without treatment nothing is far from it
    ("2099-05-01", [_course(None)], False),
    (None, [_course("2020-01-06")], False),
]


@pytest.mark.parametrize(("collected", "courses", "is_far"), FAR)
def test_decades_from_radiotherapy(
    collected: str | None, courses: list[Course], is_far: bool
) -> None:
    day = read_collected(collected) if collected else None
    assert is_far_from_treatment(day, courses) is is_far


@pytest.mark.parametrize(
    ("collected", "courses", "is_unlikely"),
    [
        ("2026-11-29", [_course("2026-01-06")], False),
        ("2026-11-30", [_course("2026-01-06")], False),  # the laboratory's day may be the next
        ("2026-12-01", [_course("2026-01-06")], True),
        ("2026-12", [_course("2026-01-06")], True),
        ("2026", [_course("2026-01-06")], False),
        ("2026-12-01", [_course("2026-01-06", "2026-12-24")], True),  # its end is planned
        ("2150-05-01", [_course("2150-01-06")], False),  # all was shifted
        ("2150-05-01", [], True),
        (None, [_course("2026-01-06")], False),
    ],
)
def test_in_the_future_of_2026_11_29(
    collected: str | None, courses: list[Course], is_unlikely: bool
) -> None:
    day = read_collected(collected) if collected else None
    assert is_future(day, date(2026, 11, 29), courses) is is_unlikely


@pytest.mark.parametrize(("collected", "courses", "is_far"), FAR)
def test_the_column_grader_sets_the_same_flag(
    collected: str | None, courses: list[Course], is_far: bool
) -> None:
    row = dict.fromkeys(COLUMNS) | {
        "patient": "P1", "collected": collected, "analyte": "ALT", "value": "300", "unit": "U/L",
        "uln": "40",
    }  # fmt: skip
    course = courses[-1] if courses else Course(None)
    frame = pl.DataFrame([row], schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        rt_start=pl.lit(course.start, dtype=pl.Date), rt_end=pl.lit(course.end, dtype=pl.Date)
    )
    (graded,) = grade_rows(frame, _GRADER, Rules().window).iter_rows(named=True)
    assert ("unlikely-date" in (graded["flags"] or "")) is is_far
    assert graded["grade"] == 3  # It is graded all the same.
