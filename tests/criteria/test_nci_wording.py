"""The criteria file repeats NCI's own table: wording, MedDRA code and system organ class."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.criteria.reader import load

_NCI: dict[str, Any] = json.loads(
    (Path(__file__).parent / "nci_lab_terms.json").read_text(encoding="utf-8")
)
_TERMS = {term.name: term for term in load().edition("4.03").terms}

_EXPECTED = {
    "Alanine aminotransferase increased",
    "Alkaline phosphatase increased",
    "Anemia",
    "Aspartate aminotransferase increased",
    "Blood bilirubin increased",
    "Creatinine increased",
    "Fibrinogen decreased",
    "GGT increased",
    "Hemoglobin increased",
    "Hypoalbuminemia",
    "Leukocytosis",
    "Platelet count decreased",
    "White blood cell decreased",
}


def test_the_file_has_these_terms_and_no_other() -> None:
    assert set(_TERMS) == _EXPECTED


@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_every_grade_says_what_nci_prints(name: str) -> None:
    printed = {int(grade): text for grade, text in _NCI[name]["4.03"]["grades"].items() if text}
    assert {c.grade: c.says for c in _TERMS[name].grades} == printed


@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_code_and_system_organ_class_are_ncis(name: str) -> None:
    term = _TERMS[name]
    assert (term.meddra, term.soc) == (_NCI[name]["4.03"]["code"], _NCI[name]["4.03"]["soc"])


@pytest.mark.parametrize("name", sorted(_EXPECTED))
def test_only_a_cell_without_a_number_is_clinical(name: str) -> None:
    for criterion in _TERMS[name].grades:
        has_digit = any(character.isdigit() for character in criterion.says)
        assert criterion.clinical is not has_digit, f"{name}, grade {criterion.grade}"
