"""Each case graded by the limits of normal: by column as by each result."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, Rows
from toxgrade.grading.columns.grader import Cases
from toxgrade.grading.columns.lookup_tables import REASON_CODES
from toxgrade.grading.columns.output import FLAG_BITS
from toxgrade.grading.columns.study_ranges import StudyRanges
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.rules import Rules
from toxgrade.grading.study_ranges import NO_RANGES


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(strategies.rows(), min_size=1, max_size=12),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    implausible=st.sampled_from(["refuse", "flag"]),
)
def test_cases_equal_single_results(rows: Rows, edition: str, implausible: Implausible) -> None:
    grader = GRADERS.for_rules(Rules(edition=edition, implausible=implausible))
    results = [lab_result(row | {"collected": None}) for row in rows]
    expected = [
        (at, grade.at_least, grade.at_most, grade.reason and REASON_CODES[grade.reason],
         sum(FLAG_BITS[flag] for flag in grade.flags))
        for at, result in enumerate(results)
        for term in grader.terms(result.analyte) or (None,)
        for grade in (grader.grade(result, term, REFERENCE_RANGE_ONLY),)
    ]  # fmt: skip
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String))
    frame = frame.with_columns(collected=pl.lit(None, dtype=pl.String))
    cases = Cases(grader, StudyRanges(NO_RANGES, grader.names))
    readable = pl.repeat(False, len(frame), eager=True)
    numbers, graded = cases.number(frame, readable)
    tests = graded.of(numbers)
    found = graded.tests.select("at_least", "at_most", "reason", "flags")[tests["test"]]
    assert tests.select("at").hstack(found).rows() == expected
