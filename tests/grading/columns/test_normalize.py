"""What a row says beside its numbers: by column as by each result."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, Rows
from toxgrade.grading.columns.normalize import Marks, is_declared, is_withdrawn
from toxgrade.grading.indicators import read_indicator
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import GRADED_STATUSES, WITHDRAWN
from toxgrade.grading.rules import Rules

_SPECIMENS = ("blood", "venous", "other")
_INDICATORS = (None, "normal", "high", "low")


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(strategies.rows(), st.sampled_from(["", *GRADED_STATUSES, *WITHDRAWN, "odd"])),
        min_size=1, max_size=8,
    ).map(lambda pairs: [row | {"status": status} for row, status in pairs])
)  # fmt: skip
def test_marks_equal_those_of_each_result(rows: Rows) -> None:
    names = GRADERS.for_rules(Rules()).names
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String))
    readable = pl.repeat(False, len(frame), eager=True)
    found = Marks(names).of(frame, readable).drop("unreadable_date")
    found = found.with_columns(is_declared(frame), is_withdrawn(frame))
    expected = []
    for result in map(lab_result, rows):
        said = read_indicator(result.indicator)
        expected.append(
            (
                result.status in GRADED_STATUSES,
                _SPECIMENS.index(names.specimen(result.specimen)),
                _INDICATORS.index(said) if said else None,
                result.is_baseline,
                result.status in WITHDRAWN,
            )
        )
    assert found.rows() == expected
