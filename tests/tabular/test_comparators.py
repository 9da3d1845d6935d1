"""Signs in a column of their own become part of the value, whatever a system calls them."""

from pathlib import Path

import polars as pl
import pytest

from toxgrade.exports.grade_frame import grade
from toxgrade.grading.flags import Reason
from toxgrade.tabular.lab_export import open_labs
from toxgrade.tabular.mapping import ColumnMap
from toxgrade.tabular.read_options import ReadOptions

_HEADER = "patient,collected,analyte,value,unit,lln,uln,operator"
_READABLE = {"5", "<5", "< 5", "<=5", ">5", ">=5", None}
_MAPPED = ColumnMap({"comparator": "operator"})


@pytest.mark.parametrize(
    ("value", "comparator", "read"),
    [
        ("5", "<", "<5"), ("5", " < ", "<5"), ("5", "LT", "<5"), ("5", "≤", "<=5"),
        ("5", "=<", "<=5"), ("5", ">", ">5"), ("5", "ge", ">=5"), ("5", "=", "5"), ("5", "", "5"),
        # OMOP's concepts of operators, also as software writes a column of floats
        ("5", "4171756", "<5"), ("5", "4171756.0", "<5"), ("5", "4172704.0", ">5"),
        ("5", "4172703.0", "5"),
        # the value has the sign as well
        ("<5", "<", "<5"), ("< 5", "<", "< 5"), ("<5", "", "<5"),
        # a sign that is not known, or not that of the value, makes it unreadable
        ("5", "ca", "?5"), ("5", "~", "?5"), ("5", "<>", "?5"), ("<5", ">", "><5"),
        ("5", "9", "?5"), ("5", "9.0", "?5"), ("5", ".", "?5"), ("5", "0", "?5"),
        ("", "<", None),
    ],
)  # fmt: skip
def test_a_comparator_of_its_own_column(
    tmp_path: Path, value: str, comparator: str, read: str | None
) -> None:
    path = tmp_path / "labs.csv"
    path.write_text(f"{_HEADER}\nP1,2011-04-23,ALT,{value},U/L,,40,{comparator}\n", "utf-8")
    (chunk,) = open_labs([path], tmp_path, ReadOptions(columns=_MAPPED)).chunks()
    assert chunk.rows["value"].to_list() == [read]
    reason = grade(chunk.given.rename({"operator": "comparator"}))["reason"].item()
    assert (reason == Reason.UNREADABLE_VALUE) == (read not in _READABLE)


@pytest.mark.parametrize(
    ("comparator", "specimen", "grade_of", "reason"),
    [
        (4172703.0, 119297000.0, 2, None),
        (None, None, 2, None),
        (4171756.0, 119364003.0, None, Reason.CENSORED_VALUE),
        (4172703.0, 122575003.0, None, Reason.OTHER_SPECIMEN),
    ],
)
def test_codes_in_columns_of_floats(
    comparator: float | None, specimen: float | None, grade_of: int | None, reason: Reason | None
) -> None:
    """A data frame with empty cells holds whole numbers as floats."""
    labs = pl.DataFrame(
        {"patient": [1001.0], "collected": "2011-04-23", "analyte": "ALT", "value": [130.0],
         "unit": "U/L", "lln": None, "uln": [40.0], "comparator": [comparator],
         "specimen": [specimen], "rt_start": "2011-01-24", "rt_end": "2011-03-09"},
        schema_overrides={"comparator": pl.Float64, "specimen": pl.Float64},
    )  # fmt: skip
    (row,) = grade(labs).iter_rows(named=True)
    assert (row["grade"], row["reason"]) == (grade_of, reason)
    patients = pl.DataFrame({"patient": ["1001"], "rt_start": "2011-01-24", "rt_end": "2011-03-09"})
    with_dates = grade(labs.drop("rt_start", "rt_end"), patients)
    assert with_dates["phase"].to_list() == ["acute"]
