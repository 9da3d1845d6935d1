"""Which result is the baseline of which course: by column as by each patient."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import Courses, Rows, by_column, one_by_one
from toxgrade.grading.rules import Rules

_PHASE, _BASELINE_GRADE, _COURSE = 8, 11, 13


@st.composite
def _around_the_starts(draw: st.DrawFn) -> Rows:
    """Return rows of one analyte, most of them usable and on the few days before a start."""
    (analyte,) = draw(st.lists(st.sampled_from(list(strategies.CRITERIA.analytes.values())),
                               min_size=1, max_size=1))  # fmt: skip
    row = strategies.rows("P1", [analyte], [-29, -1, 0, 1, 28, 29, 30, 118, 119])
    sent = draw(st.lists(row, min_size=2, max_size=10))
    return [one | {"analyte": analyte.name, "status": None, "specimen": None} for one in sent]


@settings(max_examples=80, deadline=None)
@given(rows=_around_the_starts(), courses=strategies.courses())
def test_columns_choose_as_each_patient(rows: Rows, courses: Courses) -> None:
    treated = {"P1": courses}
    found, expected = (way(rows, treated, Rules()) for way in (by_column, one_by_one))  # type: ignore[arg-type]
    told = [
        [(one[0], one[_PHASE], one[_BASELINE_GRADE], one[_COURSE]) for one in graded]
        for graded in (found, expected)
    ]
    assert told[0] == told[1]
