"""Dates that cannot be: by column as by each result."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import frame_of
from toxgrade.grading.columns.courses import PatientCourses
from toxgrade.grading.columns.impossible_dates import after_death, far_from_treatment
from toxgrade.grading.impossible_dates import is_after_death, is_far_from_treatment
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import OTHER_STATUSES, Collected, Course, LabResult

_DAYS = st.integers(-8000, 20_000).map(lambda n: date(2012, 1, 31) + timedelta(days=n))
_COLLECTED = st.none() | st.builds(
    lambda first, days: Collected("partial", first, first + timedelta(days=days)),
    _DAYS, st.sampled_from([0, 0, 30, 365]),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    collected=st.lists(_COLLECTED, min_size=1, max_size=8),
    courses=strategies.courses(),
    status=st.sampled_from(["final", *OTHER_STATUSES]),
    died=st.none() | _DAYS,
)
def test_columns_equal_each_result(
    collected: list[Collected | None], courses: list[Course], status: str, died: date | None
) -> None:
    known = frame_of({"P1": courses, "P2": []})
    patients = PatientCourses(PRESETS["paper"], known)
    who = patients.number(pl.repeat("P1", len(collected), eager=True))
    patients.meet()
    days = [(one.first, one.last) if one else (None, None) for one in collected]
    read = pl.DataFrame(days, schema={"first": pl.Date, "last": pl.Date}, orient="row")
    read = read.with_columns(who=who)
    far = far_from_treatment(read, patients.table, patients.most)
    expected = [is_far_from_treatment(one, courses) for one in collected]
    assert (far.to_list() if far is not None else [False] * len(collected)) == expected
    rows = pl.DataFrame({"status": [status] * len(collected)})
    late = after_death(rows, read, pl.Series([died], dtype=pl.Date))
    results = [LabResult("ALT", None, collected=one, status=status) for one in collected]
    dead = [is_after_death(one, died) for one in results]
    assert (late.to_list() if late is not None else [False] * len(collected)) == dead
