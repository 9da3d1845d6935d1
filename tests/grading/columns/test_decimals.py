"""Numbers of any number of decimals: graded in columns, exactly as one by one."""

from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.grading import strategies
from tests.grading.columns.test_patient import GRADERS, TREATED, Rows, by_column, one_by_one
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.normalize import Implausible
from toxgrade.grading.parse import COLUMNS
from toxgrade.grading.rules import Rules

Sent = dict[str, str | None]


def _row(analyte: str, value: str, unit: str, lln: str | None, uln: str | None, day: str) -> Sent:
    sent = {"patient": "P1", "analyte": analyte, "value": value, "unit": unit, "lln": lln}
    return dict.fromkeys(COLUMNS) | sent | {"uln": uln, "collected": day}


CASES = [
    # edition, analyte, unit, LLN, ULN, baseline, value, grade
    # Alanine aminotransferase increased 1: > ULN - 3.0 x ULN
    ("4.03", "ALT", "U/L", None, "40", None, "40.0000000", 0),
    ("4.03", "ALT", "U/L", None, "40", None, "40.0000000001", 1),
    ("4.03", "ALT", "U/L", None, "40", None, "119.999999999", 1),
    ("4.03", "ALT", "U/L", None, "40", None, "120", 1),
    ("4.03", "ALT", "U/L", None, "40", None, "1.2000000001e+02", 2),
    ("4.03", "ALT", "U/L", None, "39.99999999", None, "119.99999997", 1),
    ("4.03", "ALT", "U/L", None, "39.99999999", None, "119.99999998", 2),
    # Blood bilirubin increased 2: > 1.5 - 3.0 x ULN; 1.8 mg/dL of 17.104 umol/L each is 30.787
    ("4.03", "bilirubin", "umol/L", None, "20.5248", None, "30.7872", 1),
    ("4.03", "bilirubin", "umol/L", None, "20.5248", None, "30.78720000001", 2),
    ("4.03", "bilirubin", "umol/L", None, "20.52480001", None, "30.787200015", 1),
    ("4.03", "bilirubin", "umol/L", None, "20.52480001", None, "30.787200016", 2),
    # Hypoalbuminemia 2: < 3 - 2 g/dL
    ("4.03", "albumin", "g/L", "35", None, None, "30.000000001", 1),
    ("4.03", "albumin", "g/L", "35", None, None, "29.9999999999", 2),
    # The print of a double counts to 15 digits: 29.999999999999996 is 30.
    ("4.03", "albumin", "g/L", "35", None, None, "29.9999999999999996", 1),
    ("4.03", "albumin", "g/L", "35", None, None, "29.9999999999999", 2),
    # Creatinine increased 2: > 1.5 x baseline; > 1.5 x ULN
    ("4.03", "creatinine", "umol/L", None, "106", "61.88069999", "92.821049985", 1),
    ("4.03", "creatinine", "umol/L", None, "106", "61.88069999", "92.821049986", 2),
    # ALT in 5.0: with an abnormal baseline 1: 1.5 - 3.0 x baseline
    ("5.0", "ALT", "U/L", None, "40", "50.0000001", "75.0000001", 0),
    ("5.0", "ALT", "U/L", None, "40", "50.0000001", "75.00000015", 1),
    ("5.0", "ALT", "U/L", None, "40", "50.0000001", "150.0000003", 1),
    ("5.0", "ALT", "U/L", None, "40", "50.0000001", "150.0000004", 2),
    # ALT in 6.0: with an abnormal baseline 2: > 1.5 - 2.0 x baseline
    ("6.0", "ALT", "U/L", None, "40", "50.0000001", "75.00000015", 1),
    ("6.0", "ALT", "U/L", None, "40", "50.0000001", "75.00000016", 2),
]


@pytest.mark.parametrize(
    ("edition", "analyte", "unit", "lln", "uln", "baseline", "value", "grade"), CASES
)
def test_many_decimals(
    edition: str, analyte: str, unit: str, lln: str | None, uln: str | None, baseline: str | None,
    value: str, grade: int,
) -> None:  # fmt: skip
    rows = [_row(analyte, value, unit, lln, uln, "2012-02-10")]
    if baseline is not None:
        rows.append(_row(analyte, baseline, unit, lln, uln, "2012-01-30"))
    rules = Rules(edition=edition)
    graded = by_column(rows, TREATED, rules)
    assert graded[0][2] == grade
    assert graded == one_by_one(rows, TREATED, rules)


@settings(max_examples=150, deadline=None)
@given(
    rows=strategies.precise_rows(),
    edition=st.sampled_from(list(strategies.CRITERIA.editions)),
    implausible=st.sampled_from(["refuse", "flag"]),
)
def test_columns_equal_fractions(rows: Rows, edition: str, implausible: Implausible) -> None:
    rules = Rules(edition=edition, implausible=implausible)
    assert by_column(rows, TREATED, rules) == one_by_one(rows, TREATED, rules)


@pytest.mark.parametrize("edition", list(strategies.CRITERIA.editions))
def test_they_stay_in_columns(edition: str) -> None:
    """Values and baselines of nine and more decimals need no plain grader away from limits."""
    rows = [
        _row(analyte, f"{90.123456789 + n * shift:.{9 + n % 8}f}", unit, "10", uln, day)
        for n in range(1, 40)
        for analyte, unit, uln in (("ALT", "U/L", "40.5"), ("creatinine", "umol/L", "106.12345678"))
        for day, shift in (("2012-01-30", 1.1), ("2012-02-10", 1.2))
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    frame = frame.with_columns(
        pl.format("P{}", pl.int_range(pl.len()) // 4).alias("patient"),
        rt_start=pl.lit(strategies.START), rt_end=pl.lit(strategies.END),
    )  # fmt: skip
    rules = Rules(edition=edition)
    with patch.object(TermGrader, "_grade", side_effect=AssertionError("graded one by one")):
        assert len(grade_rows(frame, GRADERS.for_rules(rules), rules.window)) == len(rows)
