"""Every choice for an interpretation of CTCAE's text grades as it says."""

import re
import shutil
from pathlib import Path

import pytest

import toxgrade.criteria
from tests.criteria.second_reader import INTERPRETED
from toxgrade.criteria.describe import page
from toxgrade.criteria.interpretations import with_interpretations
from toxgrade.criteria.reader import load
from toxgrade.errors import CriteriaError
from toxgrade.grading.grader import REFERENCE_RANGE_ONLY, Baseline
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.rules import Graders, Rules

_CRITERIA = load()
_GRADERS = Graders(_CRITERIA)
_FILES = Path(toxgrade.criteria.__file__).parent
_FIELDS = ("value", "unit", "lln", "uln")


def _lab(analyte: str, text: str) -> dict[str, str | None]:
    """Return a row from ``3.2 mmol/L 3.5 5``: value, unit, LLN, ULN; ``-`` is absent."""
    fields = dict(zip(_FIELDS, text.split(), strict=True))
    return {**dict.fromkeys(COLUMNS), "analyte": analyte} | {
        n: None if t == "-" else t for n, t in fields.items()
    }


# Each case: edition, interpretation, analyte, result, baseline, term, grade by each choice.
_CASES = [
    ("4.03", "hypokalemia", "potassium", "3.2 mmol/L 3.5 5", None, "Hypokalemia",
     {"grade-2": "2", "grade-1": "1"}),
    ("4.03", "hyperuricemia", "uric acid", "8 mg/dL - 7", None, "Hyperuricemia",
     {"grade-3": "3", "grade-1": "1"}),
    ("5.0", "hyperuricemia", "uric acid", "18 mg/dL - 7", None, "Hyperuricemia",
     {"grade-3": "3", "grade-1": "1"}),
    ("4.03", "hypertriglyceridemia", "triglycerides", "150 mg/dL - -", None,
     "Hypertriglyceridemia", {"exclusive": "0", "inclusive": "1"}),
    ("4.03", "inr", "INR", "1.1 1 0.8 1.2", "1.0 1 0.8 1.2", "INR increased",
     {"as-if-anticoagulated": "1", "without-baseline": "0"}),
    ("5.0", "inr", "INR", "1.8 1 0.8 1.2", "0.9 1 0.8 1.2", "INR increased",
     {"as-if-anticoagulated": "2", "without-baseline": "2"}),
    ("4.03", "creatinine", "creatinine", "0.9 mg/dL - 1.2", "0.6 mg/dL - 1.2",
     "Creatinine increased", {"with-baseline": "1", "uln-only": "0"}),
    ("6.0", "creatinine", "creatinine", "1.0 mg/dL 0.5 1.2", "0.6 mg/dL 0.5 1.2",
     "Creatinine increased", {"with-baseline": "0", "uln-only": "0"}),
    ("4.03", "fibrinogen", "fibrinogen", "3 g/L 2 4", "4 g/L 2 4", "Fibrinogen decreased",
     {"with-baseline": "2", "lln-only": "0"}),
    ("5.0", "fibrinogen", "fibrinogen", "1.8 g/L 2 4", "3.6 g/L 2 4", "Fibrinogen decreased",
     {"value-abnormal": "3", "baseline-abnormal": "1", "lln-only": "1"}),
    ("5.0", "hyponatremia", "sodium", "129.5 mmol/L 135 145", None, "Hyponatremia",
     {"grade-3": "3", "grade-2": "2", "to-129": "1"}),
    ("5.0", "hyponatremia", "sodium", "122 mmol/L 135 145", None, "Hyponatremia",
     {"grade-3": "3", "grade-2": "3", "to-129": "3"}),
    ("6.0", "hyponatremia", "sodium", "127 mmol/L 135 145", None, "Hyponatremia",
     {"grade-3": "3", "grade-2": "2"}),
    ("5.0", "pancreatic-enzymes", "lipase", "180 U/L - 60", None, "Lipase increased",
     {"symptomatic": "3", "asymptomatic": "2"}),
    ("6.0", "pancreatic-enzymes", "amylase", "601 U/L - 100", None, "Serum amylase increased",
     {"symptomatic": "4", "asymptomatic": "3"}),
    ("5.0", "baseline-multiple-ends", "ALT", "120 U/L - 40", "80 U/L - 40",
     "Alanine aminotransferase increased", {"inclusive": "1", "exclusive": "0"}),
    ("6.0", "baseline-multiple-ends", "bilirubin", "2 mg/dL - 1.2", "2 mg/dL - 1.2",
     "Blood bilirubin increased", {"inclusive": "1", "exclusive": "0"}),
    ("5.0", "hemoglobin-increased", "hemoglobin", "17 g/dL 13 16", "14 g/dL 13 16",
     "Hemoglobin increased", {"above-uln": "1", "above-baseline": "2"}),
    ("6.0", "creatinine-clearance", "creatinine clearance", "25.5 mL/min - -", None,
     "Creatinine clearance decreased", {"letter": "2", "rounded": "3"}),
    ("6.0", "creatinine-clearance", "creatinine clearance", "8 mL/min - -", None,
     "Creatinine clearance decreased", {"letter": "3", "rounded": "3"}),
    ("4.03", "reference-range", "WBC", "2.8 10*9/L 2.5 10", None, "White blood cell decreased",
     {"limit-wins": "2", "range-wins": "0"}),
    ("4.03", "reference-range", "WBC", "2.8 10*9/L - 10", None, "White blood cell decreased",
     {"limit-wins": "2", "range-wins": "0-2"}),
    ("4.03", "reference-range", "potassium", "5.6 mmol/L 3.5 5.7", None, "Hyperkalemia",
     {"limit-wins": "2", "range-wins": "0"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edition", "name", "analyte", "result", "before", "term", "grades"), _CASES
)
def test_each_choice_grades_as_it_says(
    edition: str,
    name: str,
    analyte: str,
    result: str,
    before: str | None,
    term: str,
    grades: dict[str, str],
) -> None:
    interpretation = next(i for i in _CRITERIA.edition(edition).interpretations if i.name == name)
    assert [choice.name for choice in interpretation.choices] == list(grades)
    baseline: Baseline = (
        REFERENCE_RANGE_ONLY if before is None else lab_result(_lab(analyte, before))
    )
    for choice, expected in grades.items():
        grader = _GRADERS.for_rules(Rules(edition, interpretations=((name, choice),)))
        wanted = next(t for t in grader.terms(analyte) if t.name == term)
        found = grader.grade(lab_result(_lab(analyte, result)), wanted, baseline)
        decided = found.at_least == found.at_most
        assert (f"{found.at_least}" if decided else f"{found.at_least}-{found.at_most}") == expected


def test_every_choice_has_a_case() -> None:
    choices = {
        i.name for e in _CRITERIA.editions.values() for i in e.interpretations if i.choices[1:]
    }
    assert {case[1] for case in _CASES} == choices


def test_every_departure_from_the_letter_is_an_interpretation() -> None:
    for (edition, term, _), (name, _) in INTERPRETED.items():
        found = next(i for i in _CRITERIA.edition(edition).interpretations if i.name == name)
        assert term in found.terms


def test_two_choices_for_one_term_both_hold() -> None:
    chosen = {"hypokalemia": "grade-1", "reference-range": "range-wins"}
    edition = with_interpretations(_CRITERIA.edition("4.03"), chosen)
    term = next(t for t in edition.terms if t.name == "Hypokalemia")
    assert [[limit.when for limit in c.limits] for c in term.grades[:4]] == [
        ["< 1 x LLN"], [], ["< 3.0 mmol/L if value < LLN"], ["< 2.5 mmol/L if value < LLN"],
    ]  # fmt: skip
    assert edition.chosen == chosen


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"hypokalaemia": "grade-1"}, "1 of the interpretations are not of 4.03: hypokalemia, "),
        ({"hypokalemia": "grade-9"}, "the choices for hypokalemia are grade-2, grade-1"),
    ],
)
def test_an_unknown_choice_names_those_there_are(chosen: dict[str, str], says: str) -> None:
    with pytest.raises(CriteriaError, match=re.escape(says)):
        with_interpretations(_CRITERIA.edition("4.03"), chosen)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('terms = ["Hypokalemia"]', 'terms = ["Hypo"]', "Hypo is not a term"),
        ('when."Hypokalemia".1 =', 'when."Hypo".1 =', "Hypo is not a term"),
        ('when."Hypokalemia".1 =', 'when."Hypokalemia".6 =', "has no grade 6"),
        ('when."Hypokalemia".1 = "< 1 x LLN"', 'when."Hypokalemia".1 = "low"', "'low' is not"),
        ('when."Hypokalemia".2 = "never"', 'when."Hypokalemia".2 = "< 1 x LLN"', "not harder"),
        ('name = "hyperuricemia"', 'name = "hypokalemia"', "hypokalemia is there twice"),
        ("beyond_range = true", "beyond = true", "has exactly name, says, and when or"),
    ],
)
def test_a_contradictory_interpretation_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    for path in _FILES.glob("*.toml"):
        shutil.copy(path, tmp_path)
    edited = tmp_path / "ctcae_4_03.toml"
    text = edited.read_text(encoding="utf-8")
    assert old in text
    edited.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CriteriaError, match=f"ctcae_4_03.toml: .*{says}"):
        load(tmp_path)


def test_the_page_is_that_of_the_files() -> None:
    written = Path(__file__).parents[2] / "docs" / "criteria.md"
    assert written.read_text(encoding="utf-8") == page(_CRITERIA), "toxgrade criteria page"
