"""Clinicians' grades over a course: what counted before it, what the acute window handed on."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.cohort.clinical_events import ClinicalEvent, clinical_baseline, place_events
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Collected, Course

# Acute: 2020-01-07 to 2020-05-14. Late: from 2020-05-15 to the day before the next course.
FIRST = Course(date(2020, 1, 6), date(2020, 2, 14))
NEXT = Course(date(2020, 9, 1), date(2020, 9, 10))
NO_END = Course(date(2020, 1, 6))


def events(text: str) -> list[ClinicalEvent]:
    """``2 on 2020-02-01 to 2020-03-01, 1 on 2020 ongoing``: grades with their onset and end."""
    found = []
    for part in text.split(", ") if text else []:
        grade, _, onset, *rest = part.split()
        resolved = date.fromisoformat(rest[1]) if rest[:1] == ["to"] else None
        when = read_collected(onset)
        found.append(ClinicalEvent("Nausea", int(grade), when, resolved, rest == ["ongoing"]))
    return found


@pytest.mark.parametrize(
    ("recorded", "lowest", "highest"),
    [
        ("2 on 2019-11-01", 2, 2),
        ("2 on 2019-11-01 to 2019-11-20", 0, 0),
        ("2 on 2019-11-01 to 2020-01-06", 2, 2),  # it resolved on the first day, not before
        ("2 on 2019-11-01, 1 on 2019-12-01", 1, 1),  # the last one holds
        ("2 on 2019-11-01, 0 on 2019-12-01", 0, 0),
        ("2 on 2020-01-06", 2, 2),  # the first day is before treatment
        ("1 on 2020-01-06, 2 on 2020-01-06", 2, 2),  # of one day the worse
        ("1 on 2019-10-01 ongoing, 2 on 2019-11-01 to 2019-11-20", 1, 1),
        ("1 on 2019-10-01, 2 on 2019-11-01 to 2019-11-20", 0, 1),  # had the first resolved, too?
        ("2 on 2020-01", 0, 2),  # before or after the start
        ("2 on 2020-01 to 2020-01-05", 0, 0),
        ("2 on 2019-11, 1 on 2019-11-10", 1, 2),  # which was the last?
        ("1 on 2019-12-01, 3 on 2020", 1, 3),
    ],
)
def test_the_grade_at_the_start(recorded: str, lowest: int, highest: int) -> None:
    found = clinical_baseline(events(recorded), FIRST)
    assert found is not None
    assert (found.at_least, found.at_most) == (lowest, highest)


@pytest.mark.parametrize("recorded", ["", "2 on 2020-01-07", "2 on 2020-02"])
def test_nothing_had_begun_by_the_start(recorded: str) -> None:
    assert clinical_baseline(events(recorded), FIRST) is None


def test_the_baseline_of_a_later_course_may_have_begun_in_the_one_before() -> None:
    found = clinical_baseline(events("2 on 2020-03-01"), NEXT)
    assert found is not None
    assert (found.at_least, found.at_most) == (2, 2)


@pytest.mark.parametrize(
    ("recorded", "first_is_late"),
    [
        ("2 on 2020-02-20", None),  # nobody looked again
        ("2 on 2020-02-20 to 2020-05-14", False),
        ("2 on 2020-02-20 to 2020-05-15", True),
        ("2 on 2020-02-20 ongoing", True),
        ("2 on 2020-02-20, 1 on 2020-07-01", True),  # a later assessment of at least 1
        ("2 on 2020-02-20, 0 on 2020-07-01", None),  # gone by then; since when?
        ("2 on 2020-02-20, 0 on 2020-06-01, 1 on 2020-07-01", None),  # the 1 is a new one
        ("2 on 2020-02-20, 1 on 2020-04-01", False),  # another grade took its place
        ("2 on 2020-02-20, 0 on 2020-04-01", False),
        ("2 on 2020-02-20 ongoing, 3 on 2020-03-01 to 2020-03-05", True),
        ("2 on 2020-02-20, 3 on 2020-03-01 to 2020-03-05", None),
        ("2 on 2020-06-01", True),
        ("2 on 2020-05", None),
        ("2 on 2020-05 to 2020-07-01", True),  # late by its onset or because it lasted
        ("0 on 2020-02-20", False),
        ("2 on 2019-12-01", False),  # its baseline
    ],
)
def test_what_began_in_the_acute_window_is_late_where_it_lasted(
    recorded: str, first_is_late: bool | None
) -> None:
    placed = place_events(events(recorded), [FIRST, NEXT], 0, PRESETS["paper"])
    assert placed[0].late is first_is_late


@pytest.mark.parametrize(
    ("courses", "died"),
    [
        ([FIRST], date(2020, 4, 1)),
        ([FIRST, Course(date(2020, 4, 1), date(2020, 4, 20))], None),
    ],
)
def test_nothing_is_late_where_the_acute_window_was_cut_short(
    courses: list[Course], died: date | None
) -> None:
    placed = place_events(events("2 on 2020-02-20 ongoing"), courses, 0, PRESETS["paper"], died)
    assert placed[0].late is False


def test_without_an_end_an_event_is_after_the_start_and_may_be_late() -> None:
    (placed,) = place_events(events("2 on 2020-06-20 ongoing"), [NO_END], 0, PRESETS["paper"])
    assert (placed.counts(("acute", "late")), placed.late, placed.counts(("acute",))) == (
        True, None, None,
    )  # fmt: skip


_DAYS = [date(2020, 1, day) for day in range(3, 10)]
_spans = st.tuples(st.sampled_from(_DAYS), st.sampled_from(_DAYS)).map(sorted)


@st.composite
def _random_event(draw: st.DrawFn) -> ClinicalEvent:
    first, last = draw(_spans)
    resolved = draw(st.none() | st.sampled_from([day for day in _DAYS if day >= last]))
    ongoing = resolved is None and draw(st.booleans())
    onset = Collected("", first, last)
    return ClinicalEvent("Nausea", draw(st.integers(0, 3)), onset, resolved, ongoing)


@given(st.lists(_random_event(), max_size=4))
def test_the_baseline_is_the_hull_over_all_days_of_onset(recorded: list[ClinicalEvent]) -> None:
    """Each possible day of each onset is tried, and the rule is applied to exact days."""
    start = FIRST.start
    assert start is not None
    hull: list[int] = []
    for onsets in product(*(_days(event.onset) for event in recorded)):
        dated = zip(onsets, recorded, strict=True)
        before = [(day, event) for day, event in dated if day <= start]
        hull += _exact(before, start)
    found = clinical_baseline(recorded, FIRST)
    if found is None:
        assert set(hull) <= {0}
    else:
        assert (found.at_least, found.at_most) == (min(hull), max(hull))


def _days(onset: Collected) -> list[date]:
    return [day for day in _DAYS if onset.first <= day <= onset.last]


def _exact(before: list[tuple[date, ClinicalEvent]], start: date) -> list[int]:
    """The possible grades at the start where every onset is known."""
    if not before:
        return [0]
    holding = [e for _, e in before if e.resolved is None or e.resolved >= start]
    _, last = max(before, key=lambda dated: (dated[0], dated[1].grade, dated[1] in holding))
    if last in holding:
        return [last.grade]
    known = max((e.grade for e in holding if e.resolved or e.ongoing), default=0)
    return [known, max((e.grade for e in holding), default=0)]
