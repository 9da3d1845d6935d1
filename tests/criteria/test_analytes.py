"""Names, codes and units that real systems send: each is recognised, or refused on purpose."""

import csv
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from toxgrade.criteria.reader import check_loinc, load
from toxgrade.errors import CriteriaError
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.flags import Reason
from toxgrade.grading.parse import COLUMNS
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.units import Names
from toxgrade.grading.value_grader import Grader

_HERE = Path(__file__).parent
_CRITERIA = load()
_NAMES = Names(_CRITERIA.analytes.values())


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((_HERE / name).read_text(encoding="utf-8").splitlines()))


_CODES, _UNITS = _rows("loinc_codes.csv"), _rows("lab_units.csv")
_OF_CLASS = {"enzyme": "ALT", "bilirubin": "bilirubin", "albumin": "albumin", "cells": "WBC"}
_CANONICAL = {
    "bilirubin_total": "bilirubin", "alt": "ALT", "ast": "AST", "alp": "ALP", "ggt": "GGT",
    "albumin": "albumin", "inr": "INR", "wbc": "WBC", "platelets": "platelets", "plt": "platelets",
}  # fmt: skip


@pytest.mark.parametrize("row", _CODES, ids=lambda row: row["loinc"])
def test_every_known_loinc_code_is_graded_or_refused(row: dict[str, str]) -> None:
    expected = _CANONICAL.get(row["analyte"].lower(), row["analyte"])
    if row["use"] not in ("grade", "later") or expected not in _CRITERIA.analytes:
        assert _NAMES.analyte(row["loinc"]) is None
        return
    analyte = _NAMES.analyte(row["loinc"])
    assert analyte is not None
    assert analyte.name == expected


def test_codes_that_look_like_a_graded_analyte_say_what_they_are() -> None:
    refusals = {code: _NAMES.refusal(code) for code in ("1968-7", "1747-5", "96354-6", "718-7")}
    assert refusals == {
        "1968-7": "direct bilirubin, not total",
        "1747-5": "albumin in body fluid",
        "96354-6": "large platelets only",
        "718-7": None,
    }


@pytest.mark.parametrize("code", ["1975-3", "1742-5", "26464-7", "1975", "1975-22", "x-1", ""])
def test_a_code_with_a_wrong_check_digit_is_refused(code: str) -> None:
    with pytest.raises(CriteriaError, match=r"LOINC"):
        check_loinc(code, "here")


def test_every_code_in_the_file_has_its_check_digit() -> None:
    for analyte in _CRITERIA.analytes.values():
        for code in (*analyte.loinc, *analyte.refused_loinc):
            check_loinc(code, analyte.name)


@pytest.mark.parametrize("row", _UNITS, ids=lambda row: f"{row['class']}: {row['raw_unit']}")
def test_every_unit_seen_in_real_systems_is_read_exactly(row: dict[str, str]) -> None:
    analyte = _CRITERIA.analytes[_OF_CLASS[row["class"]]]
    unit = _NAMES.unit(analyte, row["raw_unit"])
    if row["seen_in"].startswith("implausible"):
        assert unit is None
        return
    numerator, _, denominator = row["factor_to_canonical"].partition("/")
    assert unit is not None
    assert unit.factor == Fraction(numerator) / Fraction(denominator or 1)
    assert analyte.canonical_unit == row["canonical_ucum"]


@pytest.mark.parametrize(
    ("analyte", "unit", "means"),
    [
        ("WBC", "G/L", "10*9/L"),  # giga per litre
        ("WBC", "g/L", None),  # grams per litre: no count
        ("albumin", "G/L", "g/L"),  # an older interface in capitals
        ("WBC", "10³/µL", "10*9/L"),  # the power is kept, not read as 103
        ("WBC", "10 ^ 3 / uL", "10*9/L"),
        ("WBC", "103/uL", None),
        ("bilirubin", "MG/DL", "mg/dL"),
        ("bilirubin", "U/L", None),
        ("ALT", "mg/dL", None),
        ("platelets", "M/uL", None),  # a slip for K/uL
        ("WBC", "%", None),  # a differential, not a count
    ],
)
def test_units_mean_what_they_mean_for_the_analyte(
    analyte: str, unit: str, means: str | None
) -> None:
    found = _NAMES.unit(_CRITERIA.analytes[analyte], unit)
    assert (found.name if found else None) == means


@pytest.mark.parametrize(
    ("name", "analyte"),
    [
        ("TBIL", "bilirubin"), ("tbil", "bilirubin"), (" SGPT ", "ALT"), ("sgot", "AST"),
        ("Alk Phos", "ALP"), ("GGTP", "GGT"), ("ALB", "albumin"), ("leukocytes", "WBC"),
        ("PLT", "platelets"), ("Hb", "hemoglobin"), ("DBIL", None), ("", None),
    ],
)  # fmt: skip
def test_aliases_are_read_in_any_capitals(name: str, analyte: str | None) -> None:
    found = _NAMES.analyte(name)
    assert (found.name if found else None) == analyte


@pytest.mark.parametrize(
    ("analyte", "side", "slip"),
    [
        ("bilirubin", "uln", "1.2"),  # mg/dL sent as umol/L
        ("albumin", "value", "4.5"),  # g/dL sent as g/L
        ("albumin", "value", "450"),  # g/L sent as g/dL
        ("WBC", "value", "7200"),  # per mm3 sent as 10*9/L
        ("platelets", "uln", "400000"),
        ("ALT", "uln", "0.7"),  # ukat/L sent as U/L
        ("creatinine", "value", "1"),  # mg/dL sent as umol/L
        ("hemoglobin", "lln", "12"),  # g/dL sent as g/L
    ],
)
def test_a_slip_of_unit_falls_outside_the_plausible_band(
    analyte: str, side: str, slip: str
) -> None:
    band = getattr(_CRITERIA.analytes[analyte], f"plausible_{side}")
    assert not band.low <= Fraction(slip) <= band.high


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "who"),
    [
        ("ALT", "48000", "U/L", "shock liver"),
        ("bilirubin", "90", "mg/dL", "the highest ever seen"),
        ("albumin", "0.05", "g/dL", "congenital analbuminaemia"),
        ("WBC", "1300000", "/mm3", "chronic myeloid leukaemia"),
        ("WBC", "0", "10*9/L", "after chemotherapy"),
        ("neutrophils", "900000", "/mm3", "chronic myeloid leukaemia"),
        ("lymphocytes", "1200000", "/mm3", "chronic lymphocytic leukaemia"),
        ("eosinophils", "300000", "/mm3", "eosinophilic leukaemia"),
        ("CD4", "100000", "/mm3", "T-cell leukaemia"),
        ("platelets", "8000000", "/mm3", "essential thrombocythaemia"),
        ("creatinine", "73.8", "mg/dL", "Case Rep Nephrol 2021;2021:6048919"),
        ("creatinine", "6524", "umol/L", "the same"),
        ("hemoglobin", "0.7", "g/dL", "survived bleeding"),
        ("hemoglobin", "28", "g/dL", "polycythaemia of a newborn"),
        ("LDH", "200000", "U/L", "tumour lysis"),
        ("CPK", "1500000", "U/L", "rhabdomyolysis, Cases J 2008;1:173"),
        ("calcium", "32", "mg/dL", "parathyroid crisis"),
        ("glucose", "3000", "mg/dL", "hyperosmolar coma"),
        ("potassium", "14.1", "mmol/L", "survived"),
        ("sodium", "234", "mEq/L", "J Anal Toxicol 2004;28:526"),
        ("sodium", "98", "mmol/L", "survived"),
        ("magnesium", "43", "mg/dL", "a newborn after magnesium sulfate"),
        ("phosphate", "59.6", "mg/dL", "phosphate enema"),
        ("cholesterol", "2000", "mg/dL", "lipoprotein X"),
        ("cholesterol", "51.7", "mmol/L", "the same"),
        ("LDL", "2182", "mg/dL", "cholestasis"),
        ("triglycerides", "16900", "mg/dL", "doi 10.1186/s12902-019-0425-9"),
        ("triglycerides", "18000", "mg/dL", "severe hypertriglyceridaemia"),
        ("uric acid", "78", "mg/dL", "tumour lysis"),
        ("pH", "6.49", "", "survived"),
    ],
)
def test_extremes_of_patients_are_graded(analyte: str, value: str, unit: str, who: str) -> None:
    assert _is_plausible(analyte, value, unit), who


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "slip"),
    [
        ("cholesterol", "150", "mmol/L", "mg/dL"),
        ("cholesterol", "200", "g/L", "mg/dL"),
        ("LDL", "120", "mmol/L", "mg/dL"),
        ("triglycerides", "150", "mmol/L", "mg/dL"),
        ("triglycerides", "150", "g/L", "mg/dL"),
        ("glucose", "180", "mmol/L", "mg/dL"),
        ("creatinine", "88", "mg/dL", "umol/L"),
        ("creatinine", "1.1", "umol/L", "mg/dL"),
        ("uric acid", "7", "mmol/L", "mg/dL"),
        ("uric acid", "350", "mg/dL", "umol/L"),
        ("albumin", "4.1", "g/L", "g/dL"),
        ("albumin", "41", "g/dL", "g/L"),
        ("albumin", "4.1", "mg/dL", "g/dL"),
        ("hemoglobin", "9.4", "g/L", "g/dL"),
        ("hemoglobin", "94", "g/dL", "g/L"),
        ("calcium", "9.5", "mmol/L", "mg/dL"),
        ("calcium", "95", "mg/dL", "mg/L"),
        ("WBC", "4300", "10*9/L", "/mm3"),
        ("platelets", "8000", "10*9/L", "/mm3"),
        ("neutrophils", "800", "10*9/L", "/mm3"),
        ("eosinophils", "300", "10*9/L", "/mm3"),
        ("CD4", "350", "10*9/L", "/mm3"),
    ],
)
def test_slips_of_unit_are_refused(analyte: str, value: str, unit: str, slip: str) -> None:
    assert not _is_plausible(analyte, value, unit), f"it was in {slip}"


def _is_plausible(analyte: str, value: str, unit: str) -> bool:
    edition = next(e.name for e in _CRITERIA.editions.values() if e.terms_of(analyte))
    grades = Grader(edition).grade(analyte, value, unit)
    refused = {grade.reason is Reason.IMPLAUSIBLE_VALUE for grade in grades}
    row = dict.fromkeys(COLUMNS) | {"analyte": analyte, "value": value, "unit": unit}
    frame = pl.DataFrame([row | {"patient": "1"}], schema=dict.fromkeys(COLUMNS, pl.String))
    course = frame.with_columns(rt_start=pl.lit(None, pl.Date), rt_end=pl.lit(None, pl.Date))
    rules = Rules(edition)
    graded = grade_rows(course, Graders(_CRITERIA).for_rules(rules), rules.window)
    assert {reason == Reason.IMPLAUSIBLE_VALUE for reason in graded["reason"]} == refused
    return refused == {False}
