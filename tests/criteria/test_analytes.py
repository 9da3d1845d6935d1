"""Names, codes and units that real systems send: each is recognised, or refused on purpose."""

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from toxgrade.criteria.reader import check_loinc, load
from toxgrade.errors import CriteriaError
from toxgrade.grading.units import Names

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
