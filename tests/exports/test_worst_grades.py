"""The worst grades of an export are the hull over all that its rows may be."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import product
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, Courses, Rows
from tests.grading.columns.test_pieces import pieces
from toxgrade.exports.worst_cells import Worst
from toxgrade.exports.worst_grades import bounds_by_phase, worst_grades
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course, PatientGrade
from toxgrade.grading.rules import Rules
from toxgrade.grading.summary import Graded, summarise

Bounds = tuple[int | None, int | None, bool, bool | None, bool]
"""Lower and upper bound, whether one is decided, is worse than its baseline, is relative to it."""
_WINDOWS = {
    "baseline": ("baseline",), "acute": ("acute",), "late": ("late",), "both": ("acute", "late"),
}  # fmt: skip
_COURSES = st.fixed_dictionaries(dict.fromkeys(strategies.PATIENTS, strategies.courses()))


def _gathered(rows: Rows, courses: Courses, rules: Rules, size: int) -> tuple[Worst, pl.Series]:
    columns, graded = pieces(rows, courses, rules, size)
    worst = Worst(len(columns.patients), with_days=False)
    for piece in graded:
        worst.add(piece)
    return worst, columns.patients["patient"]


def _worst(rows: Rows, courses: Courses, rules: Rules, size: int) -> list[tuple[object, ...]]:
    worst, patients = _gathered(rows, courses, rules, size)
    return worst_grades(bounds_by_phase(pl.concat(worst.cells(patients)))).rows()


def _bounds(
    rows: Rows, courses: Courses, rules: Rules, size: int
) -> dict[tuple[str, str, str], Bounds]:
    worst, patients = _gathered(rows, courses, rules, size)
    found = {}
    for row in bounds_by_phase(pl.concat(worst.cells(patients))).iter_rows(named=True):
        for phase in _WINDOWS:
            sides = ("least", "most", "decided", "worse", "relative")
            if row[f"{phase}_decided"] is not None:
                found[row["patient"], row["term"], phase] = tuple(
                    row[f"{phase}_{side}"] for side in sides
                )
    return found


def _entries(rows: Rows, patient: str, courses: Courses, rules: Rules) -> list[PatientGrade]:
    results = [lab_result(row) for row in rows if row["patient"] == patient]
    own, grader = courses.get(patient, ()), GRADERS.for_rules(rules)
    graded = grade_patient(results, own, grader, rules.window)
    return [e for e in graded if e.grade.reason is not Reason.NOT_FINAL and e.grade.term]


def _placements(entries: Sequence[PatientGrade]) -> Iterable[tuple[str, ...]]:
    """Yield every way to give each result one of the phases that it may be of, in first courses."""
    return product(
        *(
            [*{_of_first(p.course, p.phase) for p in e.places}]
            or [_of_first(e.course, "baseline" if _may_be_baseline(e) else e.phase)]
            for e in entries
        )
    )


def _may_be_baseline(entry: PatientGrade) -> bool:
    """Return whether which of several results is the baseline decides its grade."""
    return Graded.of(entry).may_be_baseline


def _of_first(course: int | None, phase: str) -> str:
    return "elsewhere" if course else phase


def _hull(entries: Sequence[PatientGrade], window: Sequence[str]) -> Bounds | None:
    """Return the bounds over all placements; None: in none of them a result is in the window."""
    inside = [
        [e for e, phase in zip(entries, phases, strict=True) if phase in window]
        for phases in _placements(entries)
    ]
    if not any(inside):
        return None
    least = [
        max((0 if _may_be_baseline(e) else _number(e.grade.at_least) for e in found), default=-1)
        for found in inside
    ]
    most = [max((_number(e.grade.at_most) for e in found), default=-1) for found in inside]
    verdicts = [_any([e.worse_than_baseline for e in f if e.grade.at_most is not None])
                for f in inside]  # fmt: skip
    certain = {verdict for verdict, found in zip(verdicts, inside, strict=True) if found}
    return (
        None if min(least) < 0 else min(least),
        None if max(most) < 0 else max(most),
        all(
            any(e.grade.grade is not None and not _may_be_baseline(e) for e in found)
            for found in inside
        ),
        False if certain == {False} else True if set(verdicts) == {True} else None,
        any(Flag.RELATIVE_TO_BASELINE in e.grade.flags for found in inside for e in found),
    )


def _number(grade: int | None) -> int:
    return -1 if grade is None else grade


def _any(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return True if True in found else None if None in found else False


@settings(max_examples=120, deadline=None)
@given(
    rows=strategies.exports(),
    courses=_COURSES,
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    size=st.integers(1, 12),
)
def test_bounds_equal_the_hull_over_all_placements(
    rows: Rows, courses: Courses, edition: str, size: int
) -> None:
    rules = Rules(edition=edition)
    expected = {}
    for patient in ("P1", "P2"):
        entries = _entries(rows, patient, courses, rules)
        for term in {e.grade.term.name for e in entries if e.grade.term}:
            own = [e for e in entries if e.grade.term and e.grade.term.name == term]
            unknown = [e for e in own if e.places]
            known = [e for e in own if not e.places]
            own = known + unknown[:6]  # 3 to the power of 6 placements
            if len(unknown) > 6:
                return
            for phase, window in _WINDOWS.items():
                if (hull := _hull(own, window)) is not None:
                    expected[patient, term, phase] = hull
    assert _bounds(rows, courses, rules, size) == expected


@settings(max_examples=60, deadline=None)
@given(
    rows=strategies.exports(),
    courses=_COURSES,
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    size=st.integers(1, 12),
)
def test_worst_grades_equal_summaries(
    rows: Rows, courses: Courses, edition: str, size: int
) -> None:
    rules = Rules(edition=edition)
    expected = {
        (patient, *astuple(one))
        for patient in ("P1", "P2")
        for one in summarise(map(Graded.of, _entries(rows, patient, courses, rules)))
    }
    assert set(_worst(rows, courses, rules, size)) == expected


@settings(max_examples=60, deadline=None)
@given(
    rows=strategies.exports(),
    courses=_COURSES,
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    size=st.integers(1, 12),
    seed=st.integers(),
)
def test_neither_order_nor_pieces_change_worst_grades(
    rows: Rows, courses: Courses, edition: str, size: int, seed: int
) -> None:
    shuffled = Random(seed).sample(list(rows), len(rows))
    rules = Rules(edition=edition)
    assert _worst(shuffled, courses, rules, size) == _worst(rows, courses, rules, len(rows))


_START, _END = date(2011, 1, 24), date(2011, 3, 9)
_COURSE: Courses = {"P1": [Course(_START, _END)]}
_NO_END: Courses = {"P1": [Course(_START)]}
_NO_START: Courses = {"P1": [Course(None, _END)]}
_NO_COURSE: Courses = {}


def _alt(results: dict[str, str]) -> list[dict[str, str | None]]:
    """Return ALT in U/L, with the ULN of 40, by day."""
    named = {"patient": "P1", "analyte": "ALT", "unit": "U/L", "uln": "40"}
    return [
        dict.fromkeys(COLUMNS) | named | {"collected": day.strip(), "value": value}
        for day, value in results.items()
    ]


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
    rows = _alt({day: value for day, value in days.items() if value is not None})
    assert _worst(rows, _COURSE, Rules(), 2) == [
        ("P1", "Alanine aminotransferase increased", *expected)
    ]


# ALT 30 is grade 0, 50 grade 1, 300 grade 3. The course lasts from 24 January to 9 March 2011.
@pytest.mark.parametrize(
    ("results", "course", "expected"),
    [
        # acute, at most, late, at most, worse acute, worse late
        ({"2011-02-01": "50", "2011": "300"}, _COURSE, (1, 3, None, 3, True, None)),
        ({"2011-02-01": "50", "2011-06": "300"}, _COURSE, (1, 3, None, 3, True, None)),
        ({"2011-02-01": "50", "2011-01": "300"}, _COURSE, (1, 3, None, None, True, None)),
        ({"2011-02-01": "50", "": "300"}, _COURSE, (1, 3, None, 3, True, None)),
        ({"2011-02-01": "50", "2011-09-01": "300"}, _NO_END, (1, 3, None, 3, True, None)),
        ({"2011-09-01": "300"}, _NO_END, (None, 3, None, 3, None, None)),
        # Nothing is certainly of either phase, so neither was judged: it is not "not worse".
        ({"2011-09-01": "30"}, _NO_END, (None, 0, None, 0, None, None)),
        ({"2011-02-01": "300"}, _NO_START, (None, 3, None, None, None, None)),
        ({"2011-02-01": "300", "": "50"}, _NO_COURSE, (None, 3, None, 3, None, None)),
        ({"2011-02-01": "300", "2011": "lost"}, _COURSE, (3, 3, None, None, True, None)),
    ],
)
def test_a_result_of_unknown_phase_raises_what_is_possible(
    results: dict[str, str], course: Courses, expected: tuple[object, ...]
) -> None:
    (found,) = _worst(_alt({"2011-01-20": "30", **results}), course, Rules(), 2)
    assert found[3:] == expected


@pytest.mark.parametrize("others", [{}, {"2011-01-20": "30"}, {"2011-06-01": "50"}])
def test_what_cannot_be_of_the_first_course_says_nothing_of_it(others: dict[str, str]) -> None:
    """The second course began a day after the first: of 2011, after both days, is of the second.

    So it is whatever other rows there are: of none, of one before both, of one of the second.
    """
    courses: Courses = {"P1": [Course(_START, _END), Course(date(2011, 1, 25), date(2011, 3, 10))]}
    (found,) = _worst(_alt({"2011": "300", **others}), courses, Rules(), 2)
    assert found[3:] == (None,) * 6


@pytest.mark.parametrize(
    ("one", "other", "after", "expected"),
    [
        ("30", "160", "130", (None, 2, 2, None, None, None, None)),  # The baseline is 0 or 2.
        ("70", "160", "230", (None, 3, 3, None, None, True, None)),  # 1 or 2: worse than either.
        ("130", "160", "230", (2, 3, 3, None, None, True, None)),  # 2 either way.
    ],
)
def test_a_baseline_of_several_results_of_its_day_may_have_no_grade(
    one: str, other: str, after: str, expected: tuple[object, ...]
) -> None:
    rows = _alt({"2011-01-20": one, "2011-01-20 ": other, "2011-02-01": after})
    (found,) = _worst(rows, _COURSE, Rules(), 2)
    assert found[2:] == expected
