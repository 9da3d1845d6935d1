"""Acute or late, over all dates."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toxgrade.grading.columns.phase import (
    last_acute_days,
)
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import (
    PRESETS,
    Placement,
    Window,
    add_months,
    belongs,
    course_faults,
    place,
    possible_places,
)
from toxgrade.grading.result import Collected, Course, Place

PAPER, RTOG90, END90 = PRESETS["paper"], PRESETS["rtog90"], PRESETS["end90"]
WINDOWS = [*PRESETS.values(), Window("start", months=3), Window("end", days=0)]
ONE_DAY = timedelta(days=1)
NO_END = (Flag.NO_RADIOTHERAPY_END,)


def on(day: date) -> Collected:
    return Collected(day.isoformat(), day, day)


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def course(start: str | None, end: str | None = None, ongoing: bool = False) -> Course:
    return Course(
        date.fromisoformat(start) if start else None,
        date.fromisoformat(end) if end else None,
        ongoing,
    )


WINDOW = st.builds(Window, st.sampled_from(["start", "end"]), months=st.integers(0, 13)) | (
    st.builds(Window, st.sampled_from(["start", "end"]), days=st.integers(0, 100))
)


# The window's length


def three_months_later(end: date) -> date:
    """Return the same day three calendar months on, or that month's last, by counting days."""
    day, pages = end, 0
    while pages < 3 or day.day != end.day:
        day += ONE_DAY
        pages += day.day == 1
        if pages == 4:
            return day - ONE_DAY
    return day


@pytest.mark.parametrize(
    ("end", "last_acute_day"),
    [
        ("2011-03-09", "2011-06-09"),
        ("2011-11-30", "2012-02-29"),
        ("2010-11-30", "2011-02-28"),
        ("2010-11-29", "2011-02-28"),
        ("2010-11-28", "2011-02-28"),
        ("2011-05-31", "2011-08-31"),
        ("2011-03-31", "2011-06-30"),
        ("2011-12-31", "2012-03-31"),
        ("2012-02-29", "2012-05-29"),
        ("1899-11-30", "1900-02-28"),
        ("2099-11-30", "2100-02-28"),
        ("1999-11-30", "2000-02-29"),
    ],
)
def test_three_months_after_the_end(end: str, last_acute_day: str) -> None:
    assert PAPER.last_acute_day(date.fromisoformat(end)) == date.fromisoformat(last_acute_day)


def test_paper_over_every_end_of_four_years() -> None:
    ends = days_from(date(2010, 1, 1), 4 * 365 + 1)
    assert ends[-1] == date(2013, 12, 31)
    for end in ends:
        courses = [Course(end - timedelta(days=44), end)]
        last = three_months_later(end)
        placed = [place(on(day), courses, PAPER).phase for day in days_from(last, 2)]
        assert placed == ["acute", "late"], end


@pytest.mark.parametrize("months", [0, 1, 3, 11, 12, 13, 120])
def test_months_clip_alike_in_columns(months: int) -> None:
    days = days_from(date(1896, 1, 1), 5 * 366) + days_from(date(2096, 1, 1), 5 * 366)
    by_column = pl.DataFrame({"rt_start": days, "rt_end": days}).select(
        last_acute_days(Window("end", months=months))
    )
    assert by_column.to_series().to_list() == [add_months(day, months) for day in days]


@pytest.mark.parametrize(
    ("months", "days"),
    [(None, None), (3, 90), (-1, None), (None, -1), (121, None), (None, 3654)],
)
def test_window_is_one_length_in_range(months: int | None, days: int | None) -> None:
    with pytest.raises(ValueError, match="a window is"):
        Window("end", months=months, days=days)


# One course

TREATED = course("2011-01-24", "2011-03-09")
NOT_ENDED = course("2011-01-24")
IN_PROGRESS = course("2011-01-24", ongoing=True)
NOT_STARTED = course(None, "2011-03-09")
NOTHING = course(None)

PLACES: list[tuple[str, Course, Window, tuple[object, ...]]] = [
    # collected, course, window, (phase, on_treatment, days_from_end, *flags)
    ("2010-12-31", TREATED, PAPER, ("pre_treatment", False, -68)),
    ("2011-01-24", TREATED, PAPER, ("pre_treatment", False, -44)),
    ("2011-01-25", TREATED, PAPER, ("acute", True, -43)),
    ("2011-03-09", TREATED, PAPER, ("acute", True, 0)),
    ("2011-03-10", TREATED, PAPER, ("acute", False, 1)),
    ("2011-04-23", TREATED, PAPER, ("acute", False, 45)),
    ("2011-06-09", TREATED, PAPER, ("acute", False, 92)),
    ("2011-06-10", TREATED, PAPER, ("late", False, 93)),
    ("2011-06-07", TREATED, END90, ("acute", False, 90)),
    ("2011-06-08", TREATED, END90, ("late", False, 91)),
    ("2011-04-24", TREATED, RTOG90, ("acute", False, 46)),  # 90 days from the start
    ("2011-04-25", TREATED, RTOG90, ("late", False, 47)),  # 91
    # The written day decides, whatever the time and zone.
    ("2011-06-09T23:59-11:00", TREATED, PAPER, ("acute", False, 92)),
    ("2011-01-24T23:59", TREATED, PAPER, ("pre_treatment", False, -44)),
    # No end: acute is certain for three months from the start.
    ("2011-01-24", NOT_ENDED, PAPER, ("pre_treatment", False, None)),
    ("2011-01-25", NOT_ENDED, PAPER, ("acute", None, None)),
    ("2011-04-24", NOT_ENDED, PAPER, ("acute", None, None)),
    ("2011-04-25", NOT_ENDED, PAPER, ("unknown", None, None, *NO_END)),
    ("2011-04-25", NOT_ENDED, RTOG90, ("late", None, None)),
    # Still being treated.
    ("2011-01-24", IN_PROGRESS, PAPER, ("pre_treatment", False, None)),
    ("2011-06-10", IN_PROGRESS, PAPER, ("acute", True, None)),
    ("2011-06-10", IN_PROGRESS, RTOG90, ("late", True, None)),
    # No start: it was some day up to the end.
    ("2011-03-09", NOT_STARTED, PAPER, ("unknown", None, 0)),
    ("2011-03-10", NOT_STARTED, PAPER, ("acute", False, 1)),
    ("2011-06-09", NOT_STARTED, PAPER, ("acute", False, 92)),
    ("2011-06-10", NOT_STARTED, PAPER, ("late", False, 93)),
    ("2011-06-07", NOT_STARTED, RTOG90, ("unknown", False, 90)),
    ("2011-06-08", NOT_STARTED, RTOG90, ("late", False, 91)),
    ("2011-06-10", NOTHING, PAPER, ("unknown", None, None)),
    ("2011-06-10", course(None, ongoing=True), PAPER, ("unknown", None, None)),
    # Partial dates: only what holds for every day they may mean.
    ("2010", TREATED, PAPER, ("pre_treatment", False, None)),
    ("2011-01", TREATED, PAPER, ("unknown", None, None)),
    ("2011-02", TREATED, PAPER, ("acute", True, None)),
    ("2011-03", TREATED, PAPER, ("acute", None, None)),
    ("2011-04", TREATED, PAPER, ("acute", False, None)),
    ("2011-06", TREATED, PAPER, ("unknown", None, None)),
    ("2011-07", TREATED, PAPER, ("late", False, None)),
    ("2012", TREATED, PAPER, ("late", False, None)),
    ("2011", TREATED, PAPER, ("unknown", None, None)),
    ("2011-04", NOT_ENDED, PAPER, ("unknown", None, None)),
    ("2011-05", NOT_ENDED, PAPER, ("unknown", None, None, *NO_END)),
    ("2011-03", NOT_STARTED, PAPER, ("unknown", None, None)),
    ("2011-04", NOT_STARTED, RTOG90, ("unknown", False, None)),
]


@pytest.mark.parametrize(("collected", "treated", "window", "expected"), PLACES)
def test_place(
    collected: str, treated: Course, window: Window, expected: tuple[object, ...]
) -> None:
    placed = place(read_collected(collected), [treated], window)
    assert (placed.phase, placed.on_treatment, placed.days_from_end, *placed.flags) == expected
    assert placed.course == 0


def test_without_a_date_or_without_courses_nothing_is_said() -> None:
    nothing = Placement("unknown", None, None, None)
    assert place(None, [NOT_ENDED], PAPER) == nothing
    assert place(on(date(2011, 1, 24)), [], PAPER) == nothing


# Several courses

FIRST, SECOND = TREATED, course("2011-05-02", "2011-05-20")


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        ("2011-01-01", (0, "pre_treatment", False, -67)),
        ("2011-01-25", (0, "acute", True, -43)),
        ("2011-05-01", (0, "acute", False, 53)),
        ("2011-05-02", (1, "pre_treatment", False, -18)),
        ("2011-05-03", (1, "acute", True, -17)),
        ("2011-06-10", (1, "acute", False, 21)),  # late after the first course, acute after this
        ("2011-08-21", (1, "late", False, 93)),
        ("2011-04", (0, "acute", False, None)),
        ("2011-05", (0, "unknown", None, None)),
        ("2011-06", (1, "acute", False, None)),
    ],
)
def test_the_latest_course_started_decides(collected: str, expected: tuple[object, ...]) -> None:
    placed = place(read_collected(collected), [FIRST, SECOND], PAPER)
    assert (placed.course, placed.phase, placed.on_treatment, placed.days_from_end) == expected


def test_a_day_between_two_late_days_may_start_a_course() -> None:
    courses = [course("2005-01-10", "2005-02-10"), course("2011-05-02", "2011-05-20")]
    year = read_collected("2011")
    assert place(on(year.first), courses, PAPER).phase == "late"
    assert place(on(year.last), courses, PAPER).phase == "late"
    assert place(year, courses, PAPER).phase == "unknown"


@pytest.mark.parametrize(
    ("courses", "faults"),
    [
        ([], []),
        ([NOTHING], []),
        ([NOT_STARTED], []),
        ([TREATED, SECOND, course("2011-05-03")], []),
        ([course("2011-03-09", "2011-03-09")], []),
        ([course("2011-03-09", "2011-03-08")], [(0, "end", "end-before-start")]),
        ([course("2011-03-09", "2011-03-10", True)], [(0, "status", "ended-and-ongoing")]),
        ([NOT_STARTED, SECOND], [(0, "start", "missing-start")]),
        ([TREATED, NOTHING, TREATED], [
            (1, "start", "missing-start"), (2, "start", "courses-out-of-order"),
        ]),
        ([NOTHING, NOTHING], [(0, "start", "missing-start"), (1, "start", "missing-start")]),
        ([SECOND, TREATED], [(1, "start", "courses-out-of-order")]),
        ([TREATED, NOT_ENDED], [(1, "start", "courses-out-of-order")]),
        ([course("1899-12-31", "2300-01-01")], [
            (0, "start", "date-out-of-range"), (0, "end", "date-out-of-range"),
        ]),
    ],
)  # fmt: skip
def test_course_faults(courses: Sequence[Course], faults: list[tuple[int, str, str]]) -> None:
    found = course_faults(courses)
    assert [(*fault.loc, fault.code) for fault in found] == faults


# Missing dates never make a placement wrong

STARTS = st.dates(date(2011, 10, 1), date(2012, 3, 31))
DAYS = st.dates(date(2011, 9, 1), date(2012, 12, 31))


@st.composite
def courses_and_days(draw: st.DrawFn) -> tuple[date, date, date]:
    start = draw(STARTS)
    end = start + timedelta(days=draw(st.integers(0, 60)))
    near = st.integers(-2, 2) | st.integers(88, 94) | st.integers(-30, 200)
    day = draw(st.sampled_from([start, end])) + timedelta(days=draw(near))
    return start, end, day


@settings(max_examples=500, deadline=None)
@given(courses_and_days(), st.sampled_from(WINDOWS), st.sampled_from(["start", "end", "both"]))
def test_a_missing_date_never_makes_a_phase_wrong(
    dates: tuple[date, date, date], window: Window, missing: Literal["start", "end", "both"]
) -> None:
    start, end, day = dates
    known = Course(None if missing != "end" else start, None if missing != "start" else end)
    true, known_only = (place(on(day), [c], window) for c in (Course(start, end), known))
    assert known_only.phase in (true.phase, "unknown")
    assert known_only.on_treatment in (true.on_treatment, None)
    assert known_only.days_from_end in (true.days_from_end, None)


@settings(max_examples=300, deadline=None)
@given(courses_and_days(), st.sampled_from(WINDOWS))
def test_while_ongoing_it_is_as_if_the_end_came_later(
    dates: tuple[date, date, date], window: Window
) -> None:
    start, _, day = dates
    later = Course(start, max(start, day))
    placed, true = (place(on(day), [c], window) for c in (Course(start, None, True), later))
    assert (placed.phase, placed.on_treatment) == (true.phase, true.on_treatment)


@settings(max_examples=200, deadline=None)
@given(courses_and_days(), st.sampled_from(WINDOWS), st.booleans(), st.booleans(), st.data())
def test_a_partial_date_says_what_every_day_says(
    dates: tuple[date, date, date],
    window: Window,
    with_start: bool,
    with_end: bool,
    data: st.DataObject,
) -> None:
    start, end, day = dates
    courses = [Course(start if with_start else None, end if with_end else None)]
    if with_start:
        after = start + timedelta(days=data.draw(st.integers(1, 200)))
        courses += data.draw(st.sampled_from([[], [Course(after)]]))
    text = day.isoformat()[: data.draw(st.sampled_from([4, 7]))]
    collected = read_collected(text)
    placed = place(collected, courses, window)
    days = days_from(collected.first, (collected.last - collected.first).days + 1)
    every = [place(on(one), courses, window) for one in days]
    if len({(one.phase, one.course) for one in every}) == 1:
        assert (placed.phase, placed.course) == (every[0].phase, every[0].course)
        treated = {one.on_treatment for one in every}
        assert placed.on_treatment == (treated.pop() if len(treated) == 1 else None)
    else:
        assert (placed.phase, placed.on_treatment) == ("unknown", None)
    assert placed.days_from_end is None


_SOME_DAYS = [date(2020, 1, 1) + timedelta(days=15 * n) for n in range(20)]


@settings(deadline=None)
@given(
    start=st.none() | st.sampled_from(_SOME_DAYS[:8]),
    length=st.none() | st.integers(0, 90),
    next_start=st.none() | st.sampled_from(_SOME_DAYS[12:16]),
    window=st.sampled_from([*PRESETS.values(), Window("end", days=0)]),
    first=st.sampled_from(_SOME_DAYS),
    days=st.integers(0, 120),
)
def test_possible_places_are_those_of_every_day_start_and_end_that_may_be(
    start: date | None, length: int | None, next_start: date | None, window: Window,
    first: date, days: int,
) -> None:  # fmt: skip
    """Enumerated: each possible day of the result, with each possible start and end of the course.

    An unknown start or end is tried on every day that bounds it from years before to years after.
    """
    end = None if length is None else (start or _SOME_DAYS[4]) + timedelta(days=length)
    courses = [Course(start, end)]
    if next_start and start and (end is None or end < next_start):
        courses.append(Course(next_start, next_start + timedelta(days=10)))
    else:
        next_start = None
    far = [first + timedelta(days=365 * years) for years in (-30, 30)]
    near = [day + timedelta(days=n) for day in _SOME_DAYS for n in (-1, 0, 1)]
    spread = sorted({*far, *near, *(first + timedelta(days=n) for n in range(days + 1))})
    found = set()
    for one in (first + timedelta(days=n) for n in range(days + 1)):
        for begun in [start] if start else spread:
            for ended in [end] if end else [day for day in spread if day >= begun]:
                if ended < begun:
                    continue
                whole = [Course(begun, ended), *courses[1:]]
                day = Collected(one.isoformat(), one, one)
                placed = place(day, whole, window)
                found.add((placed.course, placed.phase))
    collected = Collected("partial", first, first + timedelta(days=days))
    assert {(p.course, p.phase) for p in possible_places(collected, courses, window)} == found


@pytest.mark.parametrize(
    ("places", "phases", "expected"),
    [
        ([Place(0, "acute")], ("acute",), True),
        ([Place(0, "acute"), Place(0, "late")], ("acute",), None),
        ([Place(0, "acute"), Place(0, "late")], ("acute", "late"), True),
        ([Place(0, "pre_treatment"), Place(0, "late")], ("acute", "late"), None),
        ([Place(0, "acute"), Place(1, "acute")], ("acute",), None),
        ([Place(1, "acute")], ("acute",), False),
    ],
)
def test_belongs(places: list[Place], phases: tuple[str, ...], expected: bool | None) -> None:
    assert belongs(places, 0, phases) is expected
