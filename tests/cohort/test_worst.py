"""The worst grade of a patient as an interval, and whether it is worse than baseline."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.shift_table import shift_table
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.cohort.worst import CohortPatient, patient_row
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Course
from toxgrade.grading.worst_grade import ABSENT, Bounds, highest, worse

ONE = TableRow("One", ("A",), with_baseline=True)
TWO = TableRow("Two", ("A", "B"), with_baseline=True)
NAUSEA = TableRow("Nausea", ("Nausea",), clinical=True)


def decided(grade: int) -> Bounds:
    return Bounds(grade, grade, decided=True)


def undecided(at_least: int | None, at_most: int | None) -> Bounds:
    return Bounds(at_least, at_most, decided=False)


def patient(baseline: dict[str, Bounds], worst: dict[str, Bounds]) -> CohortPatient:
    """A patient whose grades are each compared with the baseline of their term by bounds alone."""
    compared = {
        term: replace(found, worse=worse(found.at_least, found.at_most, baseline[term]))
        if term in baseline
        else found
        for term, found in worst.items()
    }
    return CohortPatient("P", baseline, compared, Course(date(2020, 1, 6), date(2020, 2, 14)))


@pytest.mark.parametrize(
    ("bounds", "shown"),
    [
        (decided(0), 0),
        (decided(3), 3),
        (undecided(0, 4), None),  # nothing is certain
        (undecided(2, 4), 2),  # a sound lower bound
        (undecided(None, None), None),  # unreadable
        (Bounds(0, 4, decided=True), 0),  # one grade 0, one that could be anything
    ],
)
def test_what_is_counted(bounds: Bounds, shown: int | None) -> None:
    assert bounds.shown == shown


@pytest.mark.parametrize(
    ("baseline", "acute", "verdict"),
    [
        (decided(0), decided(1), True),
        (decided(1), decided(1), False),
        (decided(2), decided(1), False),
        (undecided(0, 1), decided(2), True),
        (undecided(0, 1), decided(1), None),
        (decided(1), undecided(0, 1), False),
        (decided(0), undecided(0, 4), None),
        (decided(0), None, None),
        (None, decided(4), None),
        (undecided(None, None), decided(4), None),
    ],
)
def test_worse_than_baseline(
    baseline: Bounds | None, acute: Bounds | None, verdict: bool | None
) -> None:
    found = patient({"A": baseline} if baseline else {}, {"A": acute} if acute else {})
    row = patient_row(ONE, found)
    assert (row.worse, row.any_worse) == (verdict, verdict)


@pytest.mark.parametrize(
    ("baseline", "acute", "expected"),
    [
        # B rose while the highest of A and B did not
        ({"A": decided(2), "B": decided(0)}, {"A": decided(2), "B": decided(1)},
         (2, False, False, True)),
        # B was not measured after the start
        ({"A": decided(0), "B": decided(0)}, {"A": decided(1)}, (1, True, True, False)),
        # B was not measured before: it may have been grade 2 all along
        ({"A": decided(0)}, {"A": decided(0), "B": decided(2)}, (2, None, False, False)),
        # B is undecided after the start
        ({"A": decided(0), "B": decided(0)}, {"A": decided(0), "B": undecided(0, 4)},
         (0, None, True, False)),
    ],
)  # fmt: skip
def test_composites(
    baseline: dict[str, Bounds],
    acute: dict[str, Bounds],
    expected: tuple[int | None, bool | None, bool, bool],
) -> None:
    found = patient_row(TWO, patient(baseline, acute))
    assert found.worst is not None
    assert (found.worst.shown, found.worse, found.partial, found.member_worse) == expected


def test_no_event_is_grade_0_and_an_event_of_unknown_time_is_undecided() -> None:
    none = patient_row(NAUSEA, patient({}, {}))
    assert none.worst == ABSENT
    assert (none.worse, none.any_worse) == (False, False)
    somewhen = patient({}, {"Nausea": decided(2).possible})
    found = patient_row(NAUSEA, somewhen)
    assert found.worst is not None
    assert (found.worst.shown, found.worst.at_most) == (None, 2)
    assert (found.worse, found.any_worse, found.any_grade) == (None, None, None)


@pytest.mark.parametrize(
    ("certain", "possible", "counted"),
    [
        (None, decided(4), (None, 4)),  # dated 2024: it may lie before treatment
        (decided(1), decided(4), (1, 4)),
        (decided(1), decided(0), (1, 1)),
        (undecided(2, 3), decided(1), (2, 3)),
    ],
)
def test_a_result_of_unknown_phase_raises_what_is_possible_and_nothing_else(
    certain: Bounds | None, possible: Bounds, counted: tuple[int | None, int]
) -> None:
    found = highest([possible.possible, *([certain] if certain else [])])
    assert found is not None
    assert (found.shown, found.at_most) == counted


def test_an_abnormal_baseline_that_is_compared_with_itself_has_a_column_of_its_own() -> None:
    """ALT 250 to 1,000 by 5.0: grade 3 by ULN before, 2 by its own baseline after; not improved."""
    risen = Bounds(2, 2, decided=True, worse=True, relative=True)
    unchanged = Bounds(0, 0, decided=True, worse=False, relative=True)
    course = Course(date(2020, 1, 6), date(2020, 2, 14))
    cohort = [
        CohortPatient("P1", {"A": decided(3)}, {"A": risen}, course),
        CohortPatient("P2", {"A": decided(3)}, {"A": unchanged}, course),
    ]
    table = shift_table(cohort, ONE)
    assert (table.cells, table.itself) == ({}, {2: ["P1"], 0: ["P2"]})
    assert table.worse == ["P1"]
    counted = toxicity_table(cohort, [ONE], Scope(), PRESETS["paper"])
    assert counted.worse_than_baseline.patients == ["P1"]
    assert counted.by_two == ["P1"]


_grades = st.integers(0, 4)
_bounds = st.one_of(
    _grades.map(decided),
    st.tuples(_grades, _grades).map(lambda pair: undecided(min(pair), max(pair))),
    st.just(undecided(None, None)),
)
_members = st.dictionaries(st.sampled_from(["A", "B"]), _bounds)
_cohorts = st.lists(
    st.builds(
        patient, _members, _members
    )
)  # fmt: skip


@given(st.lists(_bounds, min_size=1), _bounds)
def test_another_result_never_lowers_the_worst_grade(found: list[Bounds], more: Bounds) -> None:
    before, after = highest(found), highest([*found, more])
    assert before is not None
    assert after is not None
    assert (after.shown or 0) >= (before.shown or 0)
    assert before.shown is None or after.shown is not None


@given(_cohorts)
def test_rows_sum_to_the_denominator(patients: list[CohortPatient]) -> None:
    table = toxicity_table(patients, [TWO, NAUSEA], Scope(), PRESETS["paper"])
    assert table.n_patients == len(patients)
    for row in table.rows:
        assert row.n_evaluable + len(row.undecided) + row.not_measured == len(patients)
    shifts = shift_table(patients, TWO)
    counted = [*shifts.cells.values(), *shifts.itself.values(), shifts.not_evaluable]
    assert sum(map(len, counted)) == len(patients)


def test_severe_grades_of_terms_that_no_row_names_are_in_the_table() -> None:
    """A fatal hepatic failure, and a lipase of which only 0 to 4 is known."""
    course = Course(date(2020, 1, 6), date(2020, 2, 14))
    worst = {"A": decided(0), "Hepatic failure": decided(5), "Lipase increased": undecided(0, 4)}
    table = toxicity_table(
        [CohortPatient("P1", {}, worst, course)], [ONE], Scope(), PRESETS["paper"]
    )
    assert table.other == {("Hepatic failure", 5): ["P1"]}
    assert table.other_undecided == {"Lipase increased": ["P1"]}
    assert (table.grade_3_or_more.patients, table.any_grade.patients) == (["P1"], ["P1"])
