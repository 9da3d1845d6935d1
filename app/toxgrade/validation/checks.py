"""Checks of grades: the case tables by both graders, and the SYNTHETIC cohort's known figures."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import TypedDict

import polars as pl
from sqlalchemy import Connection

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.table_report import CountedRow, TableReport
from toxgrade.demo import STUDY
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.parse import COLUMNS, lab_result
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders, Rules
from toxgrade.grading.summary import TermSummary
from toxgrade.server.records.grade_queries import patient_toxicity
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.study_reports import study_table


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one check: what it compared, how many things, and each one that differs.

    ``failures`` name cases of the package and figures of the SYNTHETIC cohort, never anything of
    the installation's own database. A check that compared nothing has not passed.
    """

    name: str
    says: str
    checked: int
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.checked > 0 and not self.failures


class Expected(TypedDict):
    """What is checked of the cohort's figures, as its makers worked them out."""

    table2: dict[str, dict[str, Mapping[str, object]]]
    acute_toxicity: dict[str, Mapping[str, object]]
    per_patient: dict[str, dict[str, dict[str, int]]]


Case = dict[str, str]
"""One line of a table, by column."""

Graded = tuple[str, str]
"""A grade as the tables write it (``2``, ``0-4`` or empty), and the reason of an undecided one."""

_COURSE = Course(date(2011, 1, 24), date(2011, 3, 9))
_BEFORE, _AFTER = "2011-01-20", "2011-04-23"

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


def tables() -> dict[str, list[Case]]:
    """Return every case table of the package by the name of its file."""
    found = sorted(
        files("toxgrade.validation").joinpath("cases").iterdir(), key=lambda file: file.name
    )
    return {
        file.name: list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        for file in found
        if file.name.endswith(".csv")
    }


def check_cases(graders: Graders) -> list[Outcome]:
    """Check every table with the plain grader, which defines the grades, and the column grader."""
    return [
        Outcome(
            f"cases: {name}",
            "each case graded one by one and as a column, against the expected grade and reason",
            len(cases),
            check_table(cases, graders),
        )
        for name, cases in tables().items()
    ]


def check_table(cases: Sequence[Case], graders: Graders) -> list[str]:
    """Return a sentence for each case of a table whose grade differs from the expected one."""
    failures = []
    in_columns = graded_as_columns(cases, graders)
    for line, case in enumerate(cases, start=2):  # The header is line 1.
        expected = case["grade"], case["reason"]
        for way, found in (
            ("one by one", graded_one_by_one(case, graders)),
            ("as a column", in_columns[line - 2]),
        ):
            if found != expected:
                failures.append(
                    f"line {line}, {case['term']}, {way}: expected {_words(expected)},"
                    f" found {_words(found) if found else 'no grade of this term'}"
                )
    return failures


def graded_one_by_one(case: Case, graders: Graders) -> Graded | None:
    """Grade the case with the plain grader; None if its analyte has no such term."""
    rules = Rules(case["edition"])
    grader, rows = graders.for_rules(rules), _rows(case, "1")
    for entry in grade_patient([lab_result(row) for row in rows], [_COURSE], grader, rules.window):
        grade = entry.grade
        if entry.index == 0 and grade.term and grade.term.name == case["term"]:
            return _graded(grade.at_least, grade.at_most, grade.reason)
    return None


def graded_as_columns(cases: Sequence[Case], graders: Graders) -> list[Graded | None]:
    """Grade all cases with the column grader, each as a patient; None as ``graded_one_by_one``."""
    found: list[Graded | None] = [None] * len(cases)
    for edition in dict.fromkeys(case["edition"] for case in cases):
        indexes = [i for i, case in enumerate(cases) if case["edition"] == edition]
        rows = [row for i in indexes for row in _rows(cases[i], str(i))]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
            rt_start=pl.lit(_COURSE.start), rt_end=pl.lit(_COURSE.end)
        )
        rules = Rules(edition)
        for graded in grade_rows(frame, graders.for_rules(rules), rules.window).to_dicts():
            row = rows[graded["row"]]
            case = int(row["patient"] or 0)
            if row["collected"] == _AFTER and graded["term"] == cases[case]["term"]:
                found[case] = _graded(graded["at_least"], graded["at_most"], graded["reason"])
    return found


def _rows(case: Case, patient: str) -> list[dict[str, str | None]]:
    """Return the case's result, and its baseline if it has one, as rows of an export."""
    row: dict[str, str | None] = {name: case.get(name) or None for name in COLUMNS}
    row |= {"patient": patient, "collected": _AFTER, "baseline": None, "status": "final"}
    if not case["baseline"]:
        return [row]
    before = {"value": case["baseline"], "unit": case["baseline_unit"], "collected": _BEFORE}
    return [row, row | before]


def _graded(at_least: int | None, at_most: int | None, reason: str | None) -> Graded:
    if at_least is None:
        return "", str(reason)
    grade = str(at_least) if at_least == at_most else f"{at_least}-{at_most}"
    return grade, str(reason) if reason else ""


def _words(graded: Graded) -> str:
    grade, reason = graded
    return " ".join(part for part in (f"grade {grade}" if grade else "no grade", reason) if part)


def expected() -> Expected:
    """Return every expected figure of the cohort."""
    text = (files("toxgrade.demo") / "table2_expected.json").read_text(encoding="utf-8")
    found: Expected = json.loads(text)
    return found


def check_cohort(connection: Connection, graders: Graders) -> list[Outcome]:
    """Check the study ``demo`` of a scratch database against its expected table and grades."""
    study = find_study(connection, STUDY)
    table = study_table(connection, study, graders, Scope())
    patients = (wanted := expected())["per_patient"]
    grades = {name: _worst(patient_toxicity(connection, STUDY, name).summary) for name in patients}
    return [check_cohort_table(table, wanted), check_patients(grades, patients)]


def check_cohort_table(table: TableReport, wanted: Expected) -> Outcome:
    """Check the counts and percentages of the toxicity table, and who had any acute toxicity."""
    found: dict[str, object] = {
        f"{row.label + _SUFFIXES[row.kind] * _has_two_rows(row, table)}, grade {grade}": (
            row.counts[grade],
            str(row.percent[grade]),
        )
        for row in table.rows
        for grade in "1234"
    }
    figures: dict[str, object] = {
        f"{label}, grade {grade}": (figure["n"], figure["pct"])
        for label, row in wanted["table2"].items()
        for grade in "1234"
        if (figure := row[f"grade_{grade}"])
    }
    found["any toxicity"] = table.any_toxicity.patients
    figures["any toxicity"] = wanted["acute_toxicity"]["worse_than_baseline_any_term"]["patients"]
    return _compared("cohort: toxicity table", "counts, percentages and patients", found, figures)


def check_patients(
    grades: dict[str, dict[str, int]], wanted: dict[str, dict[str, dict[str, int]]]
) -> Outcome:
    """Check each patient's laboratory grades above 0: baseline, worst acute and worst late."""
    figures = {
        f"{patient}, {window}, {name}": grade
        for patient, windows in wanted.items()
        for window in ("baseline", "acute", "late")
        for name, grade in windows[window].items()
        if name in _SHORT.values()
    }
    found = {f"{patient}, {what}": n for patient, own in grades.items() for what, n in own.items()}
    return _compared("cohort: patients", "baseline, worst acute, worst late grade", found, figures)


def _worst(summary: list[TermSummary]) -> dict[str, int]:
    """Return a patient's grades above 0 by window and short name of the term."""
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


def _has_two_rows(row: CountedRow, table: TableReport) -> bool:
    """Return whether the table has two rows of this label: baseline and worst grade."""
    return [other.label for other in table.rows].count(row.label) > 1


def _compared(
    name: str, says: str, found: Mapping[str, object], wanted: Mapping[str, object]
) -> Outcome:
    failures = [
        f"{what}: expected {wanted.get(what, 'none')}, found {found.get(what, 'none')}"
        for what in sorted(found.keys() | wanted.keys())
        if found.get(what) != wanted.get(what)
    ]
    return Outcome(name, says, len(wanted), failures)
