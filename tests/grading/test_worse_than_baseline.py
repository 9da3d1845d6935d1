"""Worse than the own baseline, as a clinician reads it: by grade, or by value where the criteria
compare an abnormal baseline with itself. Each case is held for both graders.
"""

from datetime import date

import polars as pl
import pytest

from toxgrade.criteria.reader import load
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.summary import Graded, summarise

_GRADERS = Graders(load())
_START, _END = date(2012, 1, 31), date(2012, 2, 29)


def _row(
    analyte: str, day: str, value: str, unit: str, uln: str, lln: str
) -> dict[str, str | None]:
    row = {"patient": "P1", "collected": day, "analyte": analyte, "value": value, "unit": unit}
    return dict.fromkeys(COLUMNS) | row | {"uln": uln or None, "lln": lln or None}


def _rows(analyte: str, before: str, after: str) -> list[dict[str, str | None]]:
    """``250 U/L ULN 40`` before and after; what is left out is not known."""
    rows = []
    for day, written in (("2012-01-20", before), ("2012-03-02", after)):
        value, unit, *limits = written.split()
        known = dict(zip(limits[::2], limits[1::2], strict=True))
        rows.append(_row(analyte, day, value, unit, known.get("ULN", ""), known.get("LLN", "")))
    return rows


@pytest.mark.parametrize(
    ("edition", "analyte", "before", "after", "grade", "worse", "relative"),
    [
        # An abnormal baseline is compared with itself: a rise is worse though the grade is lower.
        ("5.0", "ALT", "250 U/L ULN 40", "1000 U/L ULN 40", 2, True, True),
        ("6.0", "ALT", "250 U/L ULN 40", "1000 U/L ULN 40", 3, True, True),
        ("4.03", "ALT", "250 U/L ULN 40", "1000 U/L ULN 40", 4, True, False),
        ("5.0", "bilirubin", "2.4 mg/dL ULN 1.2", "3.0 mg/dL ULN 1.2", 1, True, True),
        ("5.0", "bilirubin", "2.4 mg/dL ULN 1.2", "51.3 umol/L ULN 20", 1, True, True),
        ("4.03", "hemoglobin", "185 g/L ULN 170", "200 g/L ULN 170", 1, True, True),
        ("5.0", "eosinophils", "0.8 10*9/L ULN 0.5", "1.6 10*9/L ULN 0.5", 1, True, True),
        # An unchanged value is not worse, even where its grade is 1; nor is a fall.
        ("6.0", "ALT", "250 U/L ULN 40", "250 U/L ULN 40", 1, False, True),
        ("6.0", "ALT", "240 U/L ULN 40", "4.0 ukat/L ULN 0.7", 1, False, True),
        ("5.0", "ALT", "250 U/L ULN 40", "200 U/L ULN 40", 0, False, True),
        ("5.0", "ALT", "250 U/L ULN 40", "300 U/L ULN 40", 0, False, True),
        # A normal baseline: by grade, as in 4.03.
        ("5.0", "ALT", "30 U/L ULN 40", "130 U/L ULN 40", 2, True, False),
        ("5.0", "ALT", "30 U/L ULN 40", "35 U/L ULN 40", 0, False, False),
        ("5.0", "ALT", "100 U/L ULN 120", "90 U/L ULN 40", 1, True, False),  # as its range says
        # Multiples of the baseline that count beside the range: both grades are on one scale.
        ("4.03", "creatinine", "2.0 mg/dL ULN 1.2", "3.2 mg/dL ULN 1.2", 2, False, False),
        ("5.0", "creatinine", "2.0 mg/dL ULN 1.2", "4.0 mg/dL ULN 1.2", 3, True, False),
        # Ranges: only what is certain.
        ("5.0", "ALT", "250 U/L ULN 40", ">900 U/L ULN 40", None, True, True),
        ("5.0", "ALT", ">250 U/L ULN 40", "1000 U/L ULN 40", None, None, True),
        # The baseline's range is not known: normal and abnormal are tried as two whole cases.
        ("5.0", "ALT", "100 U/L", "110 U/L ULN 40", None, None, False),  # 1 if it was normal
        ("5.0", "ALT", "100 U/L", "30 U/L ULN 40", 0, False, False),
        ("6.0", "bilirubin", "1.0 mg/dL", "1.0 mg/dL ULN 1.2", None, False, False),
    ],
)  # fmt: skip
def test_worse_than_the_own_baseline(
    edition: str, analyte: str, before: str, after: str,
    grade: int | None, worse: bool | None, relative: bool,
) -> None:  # fmt: skip
    rows, rules = _rows(analyte, before, after), Rules(edition=edition)
    grader = _GRADERS.for_rules(rules)
    results = [lab_result(row) for row in rows]
    entries = grade_patient(results, [Course(_START, _END)], grader, rules.window)
    found = [
        e for e in entries if e.index == 1 and e.grade.term and e.grade.term.direction == "high"
    ]
    flags = found[0].grade.flags
    assert (found[0].grade.grade, found[0].worse_than_baseline) == (grade, worse)
    assert ("relative-to-baseline" in flags) is relative
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    dated = frame.with_columns(rt_start=pl.lit(_START), rt_end=pl.lit(_END))
    column = grade_rows(dated, grader, rules.window).filter(
        (pl.col("row") == 1) & (pl.col("term").cast(pl.String) == found[0].grade.term.name)  # type: ignore[union-attr]
    )
    told = column.select("grade", "worse_than_baseline", "flags").row(0)
    assert told == (grade, worse, " ".join(flags) or None), "as the plain grader"


@pytest.mark.parametrize(
    ("values", "worse"),
    [
        (["1000", "200"], True),  # one is, whatever the others are
        (["200", "260"], False),
        (["260", ">250"], None),
        ([], None),
    ],
)
def test_a_phase_is_worse_if_one_of_its_grades_is(values: list[str], worse: bool | None) -> None:
    rules = Rules(edition="5.0")
    rows = _rows("ALT", "250 U/L ULN 40", "1 U/L ULN 40")[:1] + [
        _row("ALT", "2012-03-02", value, "U/L", "40", "") for value in values
    ]
    entries = grade_patient(
        [lab_result(row) for row in rows], [Course(_START, _END)],
        _GRADERS.for_rules(rules), rules.window,
    )  # fmt: skip
    (summary,) = summarise(Graded.of(entry) for entry in entries)
    assert (summary.baseline_grade, summary.worse_acute) == (3, worse)
