"""Which specimens are graded, and which are another: urine is never graded as blood."""

import time

import pytest

from toxgrade.criteria.reader import load
from toxgrade.grading.flags import Flag, Reason
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.result import Grade
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.specimens import names_other_specimen, specimen_kind
from toxgrade.grading.units import canonical_spelling, spellings

_GRADER = Graders(load()).for_rules(Rules())


@pytest.mark.parametrize(
    "text",
    [
        None, "", " ", "BLOOD", "Blood", "WHOLE BLOOD", "Blood, whole", "SERUM", "Ser/Plas",
        "SERUM OR PLASMA", "Serum/Plasma", "SERUM, PLASMA", "Plasma (EDTA)", "BLD", "BLDC",
        "CAPILLARY BLOOD", "ARTERIAL BLOOD", "BLOOD, ARTERIAL", "Arterial", "BLDA",
        "arterial or venous blood", "K2-EDTA whole blood", "Lithium heparin plasma",
        "119364003", "Serum specimen", "Vollblut", "EDTA-Blut", "Sérum", "sangre total",
    ],
)  # fmt: skip
def test_blood(text: str | None) -> None:
    assert specimen_kind(text) == "blood"


@pytest.mark.parametrize(
    "text", ["VENOUS BLOOD", "BLOOD, VENOUS", "Venous", "BLDV", "122555007", "sang veineux"]
)
def test_venous_blood(text: str) -> None:
    assert specimen_kind(text) == "venous"


@pytest.mark.parametrize(
    "text",
    [
        "URINE", "Urine, 24 h", "blood in urine", "occult blood", "stool occult blood",
        "cord blood", "BLOOD, CORD", "donor blood", "bone marrow", "blood of bone marrow",
        "ascites", "dialysate", "CSF", "cerebrospinal fluid", "pleural fluid", "saliva", "STOOL",
        "bloodstain", "sweat", "serum-like", "unknown", "OTHER", "XXX", "BLOODY FLUID", "122575003",
        "EDTA", "or", "fetal blood", "dried blood spot",
    ],
)  # fmt: skip
def test_other_specimens_and_unknown_words(text: str) -> None:
    assert specimen_kind(text) == "other"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("URINALYSIS", True), ("Urine chemistry", True), ("CSF", True), ("STOOL EXAM", True),
        ("Glucose in Urine", True), ("Potassium, CSF", True), ("Leukocytes, Stool", True),
        ("BODY FLUID", True), ("Urinary albumin", True), ("Pleural effusion", True),
        ("CHEMISTRY", False), ("HEMATOLOGY", False), ("COAGULATION", False), ("Urea", False),
        ("Glucose", False), ("Uric Acid", False), ("", False), (None, False), ("LIPIDS", False),
    ],
)  # fmt: skip
def test_categories_and_names_of_tests(text: str | None, other: bool) -> None:
    assert names_other_specimen(text) is other


def _graded(analyte: str, value: str, specimen: str | None, **more: str) -> list[Grade]:
    row = {**dict.fromkeys(COLUMNS), "analyte": analyte, "value": value, "specimen": specimen}
    result = lab_result({**row, **more})
    terms = _GRADER.terms(analyte)
    return [_GRADER.grade(result, term, REFERENCE_RANGE_ONLY) for term in terms]


@pytest.mark.parametrize(
    ("analyte", "value", "unit"),
    [
        ("glucose", "1000", "mg/dL"), ("glucose", "15", "mg/dL"), ("sodium", "100", "mmol/L"),
        ("potassium", "9.5", "mmol/L"), ("calcium", "4.2", "mg/dL"), ("WBC", "0.002", "10*9/L"),
        ("pH", "7.0", "pH"), ("creatinine", "120", "mg/dL"),
    ],
)  # fmt: skip
def test_urine_has_no_grade(analyte: str, value: str, unit: str) -> None:
    for grade in _graded(analyte, value, "URINE", unit=unit):
        assert grade.reason is Reason.OTHER_SPECIMEN
        assert (grade.at_least, grade.at_most) == (None, None)
        assert "blood" in grade.because


@pytest.mark.parametrize(
    ("specimen", "analyte", "value", "acidosis", "alkalosis", "flagged"),
    [
        ("arterial blood", "pH", "7.33", "1", "0", False),
        ("capillary blood", "pH", "7.33", "1", "0", False),
        (None, "pH", "7.33", "1", "0", False),
        ("venous blood", "pH", "7.33", "0-1", "0", True),
        ("venous blood", "pH", "7.36", "0", "0", True),
        ("venous blood", "pH", "7.20", "3", "0", True),
        ("venous blood", "pH", "7.60", "0", "3", True),
        (None, "venous pH", "7.33", "0-1", "0", True),  # the name says it
        (None, "2746-6", "7.33", "0-1", "0", True),  # pH of venous blood
        (None, "2744-1", "7.33", "1", "0", False),  # pH of arterial blood
        ("venous blood", "2744-1", "7.33", "0-1", "0", True),
    ],
)
def test_ph_is_of_arterial_or_capillary_blood(
    specimen: str | None, analyte: str, value: str, acidosis: str, alkalosis: str, flagged: bool
) -> None:
    found = _graded(analyte, value, specimen, lln="7.35", uln="7.45")
    spans = [
        str(g.at_least) if g.at_least == g.at_most else f"{g.at_least}-{g.at_most}" for g in found
    ]
    assert spans == [acidosis, alkalosis]
    assert all((Flag.VENOUS_SAMPLE in grade.flags) is flagged for grade in found)
    if spans[0] == "0-1":
        assert found[0].reason is Reason.OTHER_SPECIMEN
        assert "venous" in found[0].because


def test_venous_blood_is_blood_for_all_other_tests() -> None:
    (grade,) = _graded("ALT", "90", "venous blood", unit="U/L", uln="40")
    assert (grade.grade, grade.flags) == (1, ())


@pytest.mark.parametrize("n", [100_000])
def test_accents_without_end_are_read_at_once(n: int) -> None:
    """In the order in which Unicode wants them, which costs their square to find."""
    marks = "\u0301\u0316" * n
    started = time.process_time()
    assert specimen_kind(f"S{marks}erum") == specimen_kind("Sérum") == "blood"
    assert canonical_spelling(f"u{marks}") not in spellings(load().analytes["ALT"])
    assert time.process_time() - started < 1
