"""Reports on random patients against every possible placement of their results, enumerated."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import count, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import NewDatabase
from toxgrade.cohort.definition import ReportPhase, Scope, TableRow
from toxgrade.cohort.shift_table import shift_table
from toxgrade.cohort.worst import CohortPatient, patient_row
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import PRESETS, place
from toxgrade.grading.result import Collected, Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.store import store
from toxgrade.server.records.studies import find_study, save_study
from toxgrade.server.reports.cohort_bounds import cohort

_GRADERS = Graders(load())
_TERM = "Platelet count decreased"
_ROW = TableRow("Platelets", (_TERM,), with_baseline=True)
_START, _NEXT = date(2020, 1, 6), date(2020, 8, 1)
_BOUNDS = {
    "200": (0, 0), "120": (1, 1), "60": (2, 2), "30": (3, 3), "10": (4, 4), "<60": (2, 4),
    "<160": (0, 4),
}  # fmt: skip
"""Platelets with an LLN of 150 x 10*9/L, and the grades that they may be."""
_BASELINES = {None: None, "200": 0, "120": 1}
_DAYS = (
    "2020", "2020-01", "2020-02", "2020-05", "2020-07", "2020-08", "2020-01-07", "2020-03-02",
    "2020-05-14", "2020-05-15", "2020-07-31", "2020-08-02", "2021-03-01",
)  # fmt: skip
_Worlds = list[dict[int, tuple[int, str]]]
"""Course and phase of each result, by its place, in each world that may be."""


@st.composite
def _patients(draw: st.DrawFn) -> tuple[list[Course], str | None, list[tuple[str, str]]]:
    """Courses, the baseline's value, and values with the dates as written."""
    end = draw(st.sampled_from([None, date(2020, 2, 14)]))
    courses = [Course(_START, end)]
    if draw(st.booleans()):
        courses.append(Course(_NEXT, draw(st.sampled_from([None, date(2020, 8, 10)]))))
    baseline = draw(st.sampled_from([*_BASELINES]))
    several = st.tuples(st.sampled_from([*_BOUNDS]), st.sampled_from(_DAYS))
    return courses, baseline, draw(st.lists(several, min_size=1, max_size=3, unique=True))


def _worlds(courses: list[Course], found: list[tuple[str, str]]) -> _Worlds:
    """Try each end of a course that may be, and each day of a result."""
    ends = []
    for course in courses:
        assert course.start is not None
        possible = [course.start + timedelta(days=30 * n) for n in range(14)]
        ends.append([course.end] if course.end else possible)
    worlds: _Worlds = []
    for chosen in product(*ends):
        whole = [Course(c.start, end) for c, end in zip(courses, chosen, strict=True)]
        places = []
        for _, day in found:
            spans = read_collected(day)
            days = range((spans.last - spans.first).days + 1)
            each = (spans.first + timedelta(days=n) for n in days)
            placed = {_placed(one, whole) for one in each}
            places.append(placed)
        worlds += [dict(enumerate(world)) for world in product(*places)]
    return worlds


def _placed(day: date, courses: list[Course]) -> tuple[int, str]:
    found = place(Collected(day.isoformat(), day, day), courses, PRESETS["paper"])
    assert found.course is not None
    return found.course, found.phase


@pytest.fixture(scope="module")
def url(new_sqlite: NewDatabase) -> str:
    return new_sqlite()


_numbers = count()


@settings(max_examples=100, deadline=None)
@given(_patients(), st.sampled_from(["acute", "late", "both"]), st.sampled_from([1, 2]))
def test_worst_grades_are_the_hull_over_all_placements(
    url: str,
    drawn: tuple[list[Course], str | None, list[tuple[str, str]]],
    phase: ReportPhase,
    number: int,
) -> None:
    courses, baseline, found = drawn
    patient = _stored(url, courses, baseline, found, Scope(phase, number))
    if number > len(courses):
        assert patient is None
        return
    assert patient is not None
    worlds = _worlds(courses, found)
    phases = ("acute", "late") if phase == "both" else (phase,)
    possible = [
        [_BOUNDS[value] for i, (value, _) in enumerate(found)
         if world[i][0] == number - 1 and world[i][1] in phases]
        for world in worlds
    ]  # fmt: skip
    least = min(max((low for low, _ in one), default=-1) for one in possible)
    most = max(max((high for _, high in one), default=-1) for one in possible)
    bounds = patient.worst.get(_TERM)
    assert (bounds and bounds.at_least) == (None if least < 0 else least), (worlds, bounds)
    assert (bounds and bounds.at_most) == (None if most < 0 else most)
    if number == 1:
        before = _BASELINES[baseline]
        assert patient_row(_ROW, patient).any_worse == _any_worse(possible, before)
        _check_shift(patient, before, (least, most), certain_zero=(0, 0) in possible[0])


def _check_shift(
    patient: CohortPatient, before: int | None, worst: tuple[int, int], *, certain_zero: bool
) -> None:
    least, most = worst
    counted = shift_table([patient], _ROW)
    if counted.not_evaluable:
        assert before is None or least <= 0
        return
    assert counted.cells == {(before, least): [patient.name]}
    assert bool(counted.could_be_higher) == (most > least)
    assert least or certain_zero


def _any_worse(possible: list[list[tuple[int, int]]], before: int | None) -> bool | None:
    if before is None:
        return None
    verdicts = set[bool | None]()
    for world in possible:
        low, high = (max((one[i] for one in world), default=None) for i in (0, 1))
        if low is None or high is None:
            verdicts.add(None)
        else:
            verdicts.add(True if low > before else False if high <= before else None)
    return verdicts.pop() if len(verdicts) == 1 else None


def _stored(
    url: str,
    courses: list[Course],
    baseline: str | None,
    found: list[tuple[str, str]],
    scope: Scope,
) -> CohortPatient | None:
    """Store the patient in a study of its own, and read it back as reports do."""
    name = f"hull{next(_numbers)}"
    results = [_result(value, day) for value, day in found]
    if baseline:
        results.append(_result(baseline, "2020-01-02"))
    labs = tuple((("results", i), one) for i, one in enumerate(results))
    with transaction(url) as opened:
        save_study(opened, name, Rules())
        store(opened, Submission(name, "P1", labs, courses=tuple(courses)), _GRADERS)
        patients = list(cohort(opened.read(), find_study(opened.read(), name), scope))
    return patients[0] if patients else None


def _result(value: str, day: str) -> LabResult:
    return LabResult(
        "platelets", read_value(value), "10*9/L", lln=Decimal(150), collected=read_collected(day)
    )
