"""Grades of single results by the plain grader: missing facts, flags, reasons.

The cases on and above every limit are part of the package, in ``app/toxgrade/validation/cases``.
"""

from decimal import Decimal

import pytest

from toxgrade.criteria.reader import load
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, TermGrader
from toxgrade.grading.parse import read_value
from toxgrade.grading.result import Grade, LabResult

_CRITERIA = load()
_GRADER = TermGrader(_CRITERIA.edition("4.03"), _CRITERIA.analytes)


def lab(
    analyte: str, value: str | None, unit: str | None = None, lln: str | None = None,
    uln: str | None = None, limit_unit: str | None = None, status: str = "final",
) -> LabResult:  # fmt: skip
    return LabResult(
        analyte=analyte,
        value=read_value(value) if value is not None else None,
        unit=unit,
        lln=Decimal(lln) if lln else None,
        uln=Decimal(uln) if uln else None,
        limit_unit=limit_unit,
        status=status,
    )


def graded(result: LabResult, term: str | None = None, baseline: LabResult | None = None) -> Grade:
    terms = {t.name: t for t in _GRADER.terms(result.analyte)}
    chosen = terms[term] if term else next(iter(terms.values()), None)
    return _GRADER.grade(result, chosen, baseline if baseline is not None else REFERENCE_RANGE_ONLY)


def interval(grade: Grade) -> tuple[int | None, int | None, str | None]:
    return grade.at_least, grade.at_most, grade.reason.value if grade.reason else None


def test_a_value_inside_a_low_reference_range_is_graded_by_the_absolute_limit() -> None:
    grade = graded(lab("WBC", "2.8", "10*9/L", lln="2.5"))
    assert (grade.grade, grade.flags) == (2, (Flag.WITHIN_REFERENCE_RANGE,))


def test_what_only_a_clinician_can_grade_is_flagged_and_never_widens_the_interval() -> None:
    grade = graded(lab("albumin", "1.0", "g/dL", lln="3.5"))
    assert (interval(grade), grade.flags) == ((3, 3, None), (Flag.CLINICAL_GRADE_POSSIBLE,))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (lab("ALT", "130", "U/L"), (0, 4, "missing-uln")),
        (lab("albumin", "28", "g/L"), (2, 2, None)),  # certain without LLN
        (lab("albumin", "33", "g/L"), (0, 1, "missing-lln")),
        (lab("WBC", "2.8", "10*9/L"), (2, 2, None)),
        (lab("WBC", "5", "10*9/L"), (0, 1, "missing-lln")),
        (lab("ALT", "<5", "U/L", uln="40"), (0, 0, None)),
        (lab("ALT", "<=40", "U/L", uln="40"), (0, 0, None)),
        (lab("ALT", "<41", "U/L", uln="40"), (0, 1, "censored-value")),
        (lab("ALT", ">1000", "U/L", uln="40"), (4, 4, None)),
        (lab("ALT", ">120", "U/L", uln="40"), (2, 4, "censored-value")),
        (lab("ALT", ">=120", "U/L", uln="40"), (1, 4, "censored-value")),
        (lab("WBC", "<1.0", "10*9/L", lln="4"), (4, 4, None)),
        (lab("WBC", "<=1.0", "10*9/L", lln="4"), (3, 4, "censored-value")),
        (lab("ALT", None, "U/L", uln="40"), (None, None, "missing-value")),
        (lab("ALT", "50", None, uln="40"), (None, None, "missing-unit")),
        (lab("ALT", "50", "  ", uln="40"), (None, None, "missing-unit")),
        (lab("ALT", "50", "mg/dL", uln="40"), (None, None, "unknown-unit")),
        (lab("WBC", "7200", "10*9/L", lln="4"), (None, None, "implausible-value")),
        # no value is below 0, and none says that it is below a limit that was not sent
        (lab("WBC", "<0", "10*9/L"), (None, None, "implausible-value")),
        (lab("bilirubin", "15", "umol/L", uln="1.2"), (0, 4, "implausible-limit")),
        (lab("lead", "50", "ug/L", uln="40"), (None, None, "unknown-analyte")),
        (lab("1968-7", "5", "mg/dL", uln="1"), (None, None, "unknown-analyte")),
        (lab("ALT", "50", "U/L", uln="40", status="cancelled"), (None, None, "not-final")),
        (lab("ALT", "50", "U/L", uln="40", status="corrected"), (1, 1, None)),
        # the first reason that applies is the one reported
        (lab("lead", None, status="preliminary"), (None, None, "not-final")),
        (lab("ALT", None, None), (None, None, "missing-value")),
    ],
)
def test_what_is_not_known_bounds_the_grade(
    result: LabResult, expected: tuple[int | None, int | None, str | None]
) -> None:
    assert interval(graded(result)) == expected


@pytest.mark.parametrize(
    ("lln", "uln", "flag"),
    [
        ("0", "0", True),
        ("40", "10", True),
        ("40", "40", True),
        (None, "0", True),
        ("0", "40", None),
    ],
)
def test_a_range_that_cannot_be_one_counts_as_absent(
    lln: str | None, uln: str, flag: bool | None
) -> None:
    grade = graded(lab("ALT", "50", "U/L", lln, uln))
    assert (Flag.UNUSABLE_RANGE in grade.flags) is bool(flag)
    assert interval(grade) == ((0, 4, "missing-uln") if flag else (1, 1, None))


@pytest.mark.parametrize(
    ("result", "grade"),
    [
        # value in umol/L, ULN in mg/dL: 1.2 mg/dL is 20.5247... umol/L
        (lab("bilirubin", "20.52", "umol/L", uln="1.2", limit_unit="mg/dL"), 0),
        (lab("bilirubin", "20.53", "umol/L", uln="1.2", limit_unit="mg/dL"), 1),
        (lab("ALT", "2.0", "ukat/L", uln="40", limit_unit="U/L"), 1),  # exactly 3 x ULN
        (lab("ALT", "2.01", "ukat/L", uln="40", limit_unit="U/L"), 2),
        (lab("albumin", "3.4", "g/dL", lln="35", limit_unit="g/L"), 1),
        (lab("WBC", "2999", "/mm3", lln="4", limit_unit="10*9/L"), 2),
        (lab("WBC", "2999", "/mm3", lln="4000", limit_unit=" "), 2),  # blank: the value's own
    ],
)
def test_limits_in_another_unit_convert_exactly(result: LabResult, grade: int) -> None:
    assert graded(result).grade == grade


def test_creatinine_without_a_baseline_is_bounded_by_the_uln() -> None:
    result = lab("creatinine", "120", "umol/L", uln="106")
    (term,) = _GRADER.terms("creatinine")
    assert interval(_GRADER.grade(result, term, None)) == (1, 3, "missing-baseline")


@pytest.mark.parametrize(
    ("value", "baseline", "grade"),
    [
        ("170", lab("Hb", "150", "g/L", uln="170"), 0),
        ("171", lab("Hb", "150", "g/L", uln="170"), 1),
        ("190", lab("Hb", "150", "g/L", uln="170"), 1),  # ULN + 2 g/dL
        ("191", lab("Hb", "150", "g/L", uln="170"), 2),
        ("211", lab("Hb", "150", "g/L", uln="170"), 3),
        ("200", lab("Hb", "185", "g/L", uln="170"), 1),  # from the raised baseline
        ("185", lab("Hb", "185", "g/L", uln="170"), 0),
        ("206", lab("Hb", "185", "g/L", uln="170"), 2),
        ("180", lab("Hb", "17.5", "g/dL", uln="17.0"), 1),  # a baseline in other units
    ],
)
def test_hemoglobin_increased_above_uln_or_a_raised_baseline(
    value: str, baseline: LabResult, grade: int
) -> None:
    result = lab("hemoglobin", value, "g/L", uln="170")
    assert graded(result, "Hemoglobin increased", baseline).grade == grade


def test_a_baseline_without_its_range_was_normal_or_not() -> None:
    result, baseline = lab("hemoglobin", "175", "g/L", uln="170"), lab("hemoglobin", "172", "g/L")
    grade = graded(result, "Hemoglobin increased", baseline)
    assert interval(grade) == (1, 1, None)
    assert grade.because.endswith("grade 1 whether the baseline was normal or above its ULN")


@pytest.mark.parametrize(
    ("result", "because"),
    [
        (
            lab("bilirubin", "1.8", "mg/dL", "0.2", "1.2"),
            "1.8 mg/dL is 1.5 x ULN (1.2 mg/dL): above 1 x ULN, not above 1.5 x ULN",
        ),
        (
            lab("ALT", "47", "U/L", uln="35"),
            "47 U/L is about 1.343 x ULN (35 U/L): above 1 x ULN, not above 3 x ULN",
        ),
        (lab("WBC", "2.8", "10*9/L", lln="4"),
         "2.8 10*9/L: below 3.0 10*9/L, not below 2.0 10*9/L"),
        (
            lab("ALT", "<41", "U/L", uln="40"),
            "<41 U/L is reported against ULN 40 U/L: no limit is certainly reached;"
            " grade 0 to 1 is possible because the laboratory reported a range, not a number",
        ),
        (lab("1968-7", "5", "mg/dL"), "the code is direct bilirubin, not total: not graded"),
        (lab("ALT", "50", "mg/dL"),
         "the unit is not one accepted for ALT: U/L, ukat/L, nkat/L, U/mL, kU/L"),
    ],
)  # fmt: skip
def test_the_reason_is_a_sentence_to_check_by_hand(result: LabResult, because: str) -> None:
    assert graded(result).because == because


def test_implausible_numbers_may_be_graded_with_a_flag() -> None:
    lenient = TermGrader(_CRITERIA.edition("4.03"), _CRITERIA.analytes, "flag")
    result = lab("bilirubin", "15", "umol/L", uln="1.2")
    (term,) = lenient.terms("bilirubin")
    grade = lenient.grade(result, term, REFERENCE_RANGE_ONLY)
    assert (grade.grade, grade.flags) == (4, (Flag.IMPLAUSIBLE_LIMIT,))


def test_every_reason_has_its_place_in_the_order() -> None:
    assert [reason.value for reason in Reason] == [
        "missing-patient", "after-death", "not-final", "unknown-analyte", "other-specimen",
        "missing-value", "unreadable-value", "unreadable-date", "missing-unit", "unknown-unit",
        "implausible-value", "implausible-limit", "missing-uln", "missing-lln", "missing-baseline",
        "censored-value",
    ]  # fmt: skip


def test_flags_stand_in_one_order_whoever_found_them_first() -> None:
    lenient = TermGrader(_CRITERIA.edition("4.03"), _CRITERIA.analytes, "flag")
    result = lab("bilirubin", "9000", "mg/dL", lln="0", uln="0")
    (term,) = lenient.terms("bilirubin")
    grade = lenient.grade(result, term, REFERENCE_RANGE_ONLY)
    assert grade.flags == (Flag.UNUSABLE_RANGE, Flag.IMPLAUSIBLE_VALUE)
