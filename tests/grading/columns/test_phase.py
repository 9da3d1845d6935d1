"""A column of results is placed exactly as each row alone."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading.test_phase import (
    DAYS,
    NOTHING,
    PAPER,
    PLACES,
    STARTS,
    WINDOW,
    WINDOWS,
    course,
    days_from,
    on,
)
from toxgrade.grading.columns.phase import PHASE_TYPE, place_columns, possible_columns
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import Window, belongs, place, possible_places
from toxgrade.grading.result import Collected, Course

Row = tuple[Collected | None, Course, bool | None]


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "first": [collected.first if collected else None for collected, _, _ in rows],
            "last": [collected.last if collected else None for collected, _, _ in rows],
            "rt_start": [treated.start for _, treated, _ in rows],
            "rt_end": [treated.end for _, treated, _ in rows],
            "ongoing": [ongoing for _, _, ongoing in rows],
        },
        schema={
            **dict.fromkeys(("first", "last", "rt_start", "rt_end"), pl.Date),
            "ongoing": pl.Boolean,
        },
    )


def by_column(rows: Sequence[Row], window: Window) -> list[tuple[object, ...]]:
    placed = frame_of(rows).select(place_columns(window))
    assert dict(placed.schema) == {
        "phase": PHASE_TYPE, "on_treatment": pl.Boolean, "days_from_end": pl.Int32,
        "no_radiotherapy_end": pl.Boolean,
    }  # fmt: skip
    return placed.rows()


def one_by_one(rows: Sequence[Row], window: Window) -> list[tuple[object, ...]]:
    placed = [place(collected, [treated], window) for collected, treated, _ in rows]
    return [
        (p.phase, p.on_treatment, p.days_from_end, Flag.NO_RADIOTHERAPY_END in p.flags)
        for p in placed
    ]


def rows_of(collected: Sequence[Collected | None], courses: Sequence[Course]) -> list[Row]:
    """Return every pair; a course that is not ongoing has false and null in turn."""
    return [
        (when, treated, treated.ongoing or (None if i % 2 else False))
        for i, (when, treated) in enumerate(product(collected, courses))
    ]


MONTH_ENDS = [
    day for day in days_from(date(2011, 10, 1), 200) if day.day >= 28 or day.day <= 2
]  # around the last of February of a leap year


@pytest.mark.parametrize("window", WINDOWS)
def test_column_equals_place_on_every_day(window: Window) -> None:
    partial = [read_collected(f"2012-{month:02}") for month in range(1, 13)]
    partial += [read_collected(year) for year in ("2010", "2011", "2012", "2013")]
    collected = [None, *partial, *map(on, days_from(date(2011, 9, 25), 330))]
    courses = [NOTHING, course(None, ongoing=True), course("2012-01-31", "2012-01-30")]
    for anchor in MONTH_ENDS:
        started = anchor - timedelta(days=30)
        courses += [Course(anchor), Course(anchor, None, True), Course(None, anchor)]
        courses += [Course(started, anchor), Course(anchor, anchor)]
    rows = rows_of(collected, courses)
    assert by_column(rows, window) == one_by_one(rows, window)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.none() | DAYS.map(on) | DAYS.map(lambda day: read_collected(day.isoformat()[:7])),
        min_size=1, max_size=12,
    ),
    st.lists(
        st.builds(Course, st.none() | DAYS, st.none() | DAYS, st.booleans()),
        min_size=1, max_size=4,
    ),
    WINDOW,
)  # fmt: skip
def test_column_equals_place(
    collected: list[Collected | None], courses: list[Course], window: Window
) -> None:
    rows = rows_of(collected, courses)
    assert by_column(rows, window) == one_by_one(rows, window)


def test_column_equals_place_on_the_table() -> None:
    for window in WINDOWS:
        rows = rows_of([read_collected(text) for text, *_ in PLACES], [c for _, c, *_ in PLACES])
        assert by_column(rows, window) == one_by_one(rows, window)


def test_no_rows_have_no_places() -> None:
    assert by_column([], PAPER) == []


_COURSE = st.builds(
    lambda start, length, ended, begun, ongoing: Course(
        start if begun else None,
        start + timedelta(days=length) if ended else None,
        ongoing and not ended,
    ),
    STARTS, st.integers(0, 60), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
_SPAN = st.builds(
    lambda first, days: Collected("partial", first, first + timedelta(days=days)),
    DAYS, st.just(0) | st.integers(0, 400),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.none() | _SPAN, min_size=1, max_size=12),
    st.lists(_COURSE | st.just(NOTHING), min_size=1, max_size=6),
    st.sampled_from(WINDOWS) | WINDOW,
)
def test_possible_columns_equal_belongs(
    collected: list[Collected | None], courses: list[Course], window: Window
) -> None:
    rows = rows_of(collected, courses)
    expected = []
    for when, treated, _ in rows:
        places = possible_places(when, [treated], window)
        may_be = [belongs(places, 0, (phase,)) is not False for phase in ("acute", "late")]
        expected.append((*may_be, belongs(places, 0, ("acute", "late")) is True))
    assert frame_of(rows).select(possible_columns(window)).rows() == expected
