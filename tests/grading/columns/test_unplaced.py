"""Why the phase of a result is not known: by column as by each result."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading.columns.test_phase import frame_of, rows_of
from tests.grading.test_phase import DAYS, WINDOW, on
from toxgrade.grading.columns.phase import place_columns
from toxgrade.grading.columns.unplaced import why_unplaced as by_column
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import Window, place
from toxgrade.grading.result import Collected, Course
from toxgrade.grading.unplaced import why_unplaced


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.none() | DAYS.map(on) | DAYS.map(lambda day: read_collected(day.isoformat()[:7])),
        min_size=1, max_size=8,
    ),
    st.lists(st.builds(Course, st.none() | DAYS, st.none() | DAYS), min_size=1, max_size=3),
    WINDOW,
)  # fmt: skip
def test_column_equals_each_result(
    collected: list[Collected | None], courses: list[Course], window: Window
) -> None:
    rows = rows_of(collected, courses)
    expected = []
    for when, treated, _ in rows:
        placed = place(when, [treated], window)
        has_date = bool(treated.start or treated.end)
        why = why_unplaced(when, placed.flags, treated=has_date)
        expected.append(str(why) if placed.phase == "unknown" else None)
    columns = frame_of(rows).with_columns(place_columns(window))
    assert columns.select(by_column().cast(pl.String)).to_series().to_list() == expected
