"""Bounds against a baseline: by column as by each result, whatever the comparators."""

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.both_graders import by_column, one_by_one
from toxgrade.grading.rules import Graders, Rules

_GRADERS = Graders(strategies.CRITERIA)
_SENT = ("value", "unit", "lln", "uln", "limit_unit", "indicator")


@dataclass(frozen=True)
class _Pair:
    """A result and a baseline of the same analyte."""

    result: Mapping[str, str | None]
    baseline: Mapping[str, str | None]

    @property
    def analyte(self) -> str:
        return self.result["analyte"] or ""

    def fields(self, which: str) -> Mapping[str, str | None]:
        sent = self.result if which == "result" else self.baseline
        return {"analyte": self.analyte} | {name: sent[name] for name in _SENT}


@st.composite
def _pairs(draw: st.DrawFn) -> _Pair:
    analyte = draw(st.sampled_from(list(strategies.CRITERIA.analytes.values())))
    result, baseline = (draw(strategies.rows(analytes=[analyte])) for _ in range(2))
    return _Pair(result | {"analyte": analyte.name}, baseline)


@settings(max_examples=60, deadline=None)
@given(st.lists(_pairs(), min_size=1, max_size=6),
       st.sampled_from(list(strategies.CRITERIA.editions)))  # fmt: skip
def test_columns_equal_each_result(pairs: list[_Pair], edition: str) -> None:
    grader = _GRADERS.for_rules(Rules(edition=edition))
    # Of what has no value there is no baseline.
    with_value = [one for one in pairs if (one.baseline["value"] or "")[-1:].isdecimal()]
    usable = [one for one in with_value if grader.terms(one.analyte)]
    expected = {(id(f.row), f.term.name, f.own): f[3:] for f in one_by_one(usable, grader)}
    found = {(id(f.row), f.term.name, f.own): f[3:] for f in by_column(usable, grader)}
    assert found == expected
