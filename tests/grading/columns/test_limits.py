"""Whether a value reaches a limit: by column as by each value, with any comparator."""

from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from toxgrade.criteria.model import Limit
from toxgrade.criteria.reader import load
from toxgrade.grading.columns.limits import held, held_by_range
from toxgrade.grading.columns.parse import COMPARATORS, SCALE
from toxgrade.grading.columns.slots import Slot, numbers_of
from toxgrade.grading.limits import Interval, ResolvedLimit
from toxgrade.grading.result import Reported

_LIMITS = [
    limit
    for edition in load().editions.values()
    for term in edition.terms
    for criterion in term.grades
    for limit in criterion.limits
    if limit.reference in ("ULN", "LLN")
]
_NUMBERS = st.sampled_from([0, 1, 2, 3, 5, 6, 10, 12, 25])
_TIMES = st.sampled_from([1, 2, 5])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(_LIMITS), st.sampled_from(COMPARATORS), _NUMBERS, _NUMBERS, _TIMES, _TIMES,
)  # fmt: skip
def test_column_equals_each_value(
    limit: Limit, comparator: str, value: int, reference: int, times: int, other: int
) -> None:
    resolved = ResolvedLimit(limit, times, other, 0)
    a, b, c, _ = numbers_of(resolved)
    slot = Slot(1, "limit", None, "=" in limit.comparison)
    frame = pl.DataFrame(
        {"a0": [a], "b0": [b], "c0": [c], "value": [value * SCALE], "limit": [reference * SCALE],
         "comparator": [COMPARATORS.index(comparator)], "high": [">" in limit.comparison]},
    )  # fmt: skip
    reported = Interval.of(Reported(Decimal(value), comparator))  # type: ignore[arg-type]
    expected = resolved.holds(reported, Interval.of(Reported(Decimal(reference))))
    assert frame.select(held_by_range(0, slot)).item() is expected
    if not comparator:
        assert frame.select(held(0, slot)).item() is expected
