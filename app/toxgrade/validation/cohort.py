"""The SYNTHETIC cohort in a scratch database, against every figure its makers worked out."""

import json
from importlib.resources import files
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.definition import Scope
from toxgrade.demo.load import STUDY
from toxgrade.grading.rules import Graders
from toxgrade.grading.summary import TermSummary
from toxgrade.server.records.grade_queries import patient_toxicity
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.study_reports import table_document
from toxgrade.validation.cases import Outcome

_SHORT = {
    "White blood cell decreased": "WBC",
    "Platelet count decreased": "PLT",
    "Blood bilirubin increased": "TBIL",
    "Alanine aminotransferase increased": "ALT",
    "Aspartate aminotransferase increased": "AST",
    "Alkaline phosphatase increased": "ALP",
    "GGT increased": "GGT",
    "Hypoalbuminemia": "ALB",
}
_SUFFIXES = {"baseline": ": baseline", "worst": ": worst grade"}


def expected() -> dict[str, Any]:
    """Every expected figure of the cohort, as its makers worked them out."""
    text = (files("toxgrade.demo") / "table2_expected.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def check_cohort(connection: Connection, graders: Graders) -> list[Outcome]:
    """The study ``demo`` of a scratch database against its expected table and grades."""
    study = find_study(connection, STUDY)
    table = table_document(connection, study, graders.for_rules(study.rules).edition, Scope())
    grades = {
        patient: _worst(patient_toxicity(connection, STUDY, patient)[1])
        for patient in expected()["per_patient"]
    }
    return [check_table(table, expected()), check_patients(grades, expected())]


def check_table(table: dict[str, Any], wanted: dict[str, Any]) -> Outcome:
    """Each count and percentage of the toxicity table, and who had any acute toxicity."""
    found = {
        f"{row['label'] + _SUFFIXES[row['kind']] * _twice(row, table)}, grade {grade}": (
            row["counts"][grade],
            str(row["percent"][grade]),
        )
        for row in table["rows"]
        for grade in "1234"
    }
    figures: dict[str, Any] = {
        f"{label}, grade {grade}": (figure["n"], figure["pct"])
        for label, row in wanted["table2"].items()
        for grade in "1234"
        if (figure := row[f"grade_{grade}"])
    }
    found["any toxicity"] = table["any_toxicity"]["patients"]
    figures["any toxicity"] = wanted["acute_toxicity"]["worse_than_baseline_any_term"]["patients"]
    return _compared("cohort: toxicity table", "counts, percentages and patients", found, figures)


def check_patients(grades: dict[str, dict[str, int]], wanted: dict[str, Any]) -> Outcome:
    """Each patient's worst laboratory grades at baseline, acute and late, where above 0."""
    figures = {
        f"{patient}, {window}, {name}": grade
        for patient, windows in wanted["per_patient"].items()
        for window in ("baseline", "acute", "late")
        for name, grade in windows[window].items()
        if name in _SHORT.values()
    }
    found = {
        f"{patient}, {what}": n for patient, mine in grades.items() for what, n in mine.items()
    }
    return _compared("cohort: patients", "baseline, worst acute, worst late grade", found, figures)


def _worst(summary: list[TermSummary]) -> dict[str, int]:
    return {
        f"{window}, {_SHORT[term.term]}": grade
        for term in summary
        if term.term in _SHORT
        for window, grade in (
            ("baseline", term.baseline_grade),
            ("acute", term.worst_acute),
            ("late", term.worst_late),
        )
        if grade
    }


def _twice(row: dict[str, Any], table: dict[str, Any]) -> bool:
    """Whether the row's label stands on two lines: at baseline and at its worst."""
    return [other["label"] for other in table["rows"]].count(row["label"]) > 1


def _compared(name: str, says: str, found: dict[str, Any], wanted: dict[str, Any]) -> Outcome:
    failures = [
        f"{what}: expected {wanted.get(what, 'none')}, found {found.get(what, 'none')}"
        for what in sorted(found.keys() | wanted.keys())
        if found.get(what) != wanted.get(what)
    ]
    return Outcome(name, says, len(wanted), failures)
