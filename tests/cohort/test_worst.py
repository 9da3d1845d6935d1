"""The worst grade of a patient as an interval, and whether it is worse than baseline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.toxicity_table import percent, toxicity_table
from toxgrade.cohort.worst import Bounds, CohortPatient, highest, patient_row, shift_table
from toxgrade.grading.phase import PRESETS

ONE = TableRow("One", ("A",), with_baseline=True)
TWO = TableRow("Two", ("A", "B"), with_baseline=True)
NAUSEA = TableRow("Nausea", ("Nausea",), clinical=True)


def decided(grade: int) -> Bounds:
    return Bounds(grade, grade, decided=True)


def undecided(at_least: int | None, at_most: int | None) -> Bounds:
    return Bounds(at_least, at_most, decided=False)


def windows(baseline: dict[str, Bounds], acute: dict[str, Bounds]) -> dict[str, dict[str, Bounds]]:
    return {"baseline": baseline, "acute": acute, "late": {}}


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
    ("baseline", "acute", "worse"),
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
    baseline: Bounds | None, acute: Bounds | None, worse: bool | None
) -> None:
    found = windows({"A": baseline} if baseline else {}, {"A": acute} if acute else {})
    assert patient_row(ONE, found, ("acute",)).worse is worse


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
    found = patient_row(TWO, windows(baseline, acute), ("acute",))
    assert found.worst is not None
    assert (found.worst.shown, found.worse, found.partial, found.member_worse) == expected


def test_no_event_is_grade_0_and_an_event_of_unknown_time_is_undecided() -> None:
    none = patient_row(NAUSEA, windows({}, {}), ("acute",))
    assert none.worst == decided(0)
    assert none.worse is False
    somewhen = {"Nausea": undecided(0, 2)}
    found = patient_row(NAUSEA, windows(somewhen, somewhen), ("acute",))
    assert found.worst is not None
    assert (found.worst.shown, found.worse) == (None, None)


@pytest.mark.parametrize(
    ("n", "of", "shown"), [(1, 25, 4), (1, 3, 33.3), (1, 16, 6.3), (1, 80, 1.3), (0, 0, None)]
)
def test_percentages_round_halves_up(n: int, of: int, shown: float | None) -> None:
    assert percent(n, of) == shown


_grades = st.integers(0, 4)
_bounds = st.one_of(
    _grades.map(decided),
    st.tuples(_grades, _grades).map(lambda pair: undecided(min(pair), max(pair))),
    st.just(undecided(None, None)),
)
_members = st.dictionaries(st.sampled_from(["A", "B"]), _bounds)
_cohorts = st.lists(
    st.builds(
        lambda before, after: CohortPatient("P", windows(before, after), None),
        _members, _members,
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
    shifts = shift_table(patients, TWO, Scope())
    assert sum(map(len, shifts.cells.values())) + len(shifts.not_evaluable) == len(patients)
