"""A result against its baseline, and whether it is worse: by column as by each patient."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import TREATED, Rows, by_column, one_by_one
from toxgrade.grading.rules import Rules


@st.composite
def _before_and_after(draw: st.DrawFn) -> Rows:
    """Return two results of the day before the start, and some after it, of one analyte."""
    analyte = draw(st.sampled_from(list(strategies.CRITERIA.analytes.values())))
    days: Sequence[str] = ["2012-01-30"] * 2 + ["2012-02-10"] * 3
    sent = [draw(strategies.rows("P1", [analyte])) for _ in days]
    usual = {"analyte": analyte.name, "status": None, "specimen": None, "baseline": None}
    return [row | usual | {"collected": day} for row, day in zip(sent, days, strict=True)]


@settings(max_examples=80, deadline=None)
@given(
    rows=_before_and_after(),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
)
def test_columns_compare_as_each_patient(rows: Rows, edition: str) -> None:
    rules = Rules(edition=edition)
    assert by_column(rows, TREATED, rules) == one_by_one(rows, TREATED, rules)
