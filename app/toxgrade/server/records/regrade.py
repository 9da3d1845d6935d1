"""Grading a patient's stored results again: what changed is appended, nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from toxgrade import __version__
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import LabResult, PatientGrade, Reason
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import RangeTable, range_table
from toxgrade.server.records.current_state import REPORTED, stored_result
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.patient_state import GradeRow, PatientState, load_patient_state
from toxgrade.server.records.patients import lock_patients
from toxgrade.server.records.studies import Study, lock_study
from toxgrade.server.records.study_ranges import (
    current_ranges,
    range_used,
    save_ranges,
    with_study_ranges,
)


def regrade_study(connection: Connection, study: Study, graders: Graders) -> None:
    """Grade every patient of a study again by its rules as they are now."""
    grader = graders.for_rules(study.rules)
    for patient_id in lock_patients(connection, patients.c.study_id == study.id):
        regrade(connection, patient_id, grader, study)


def regrade(
    connection: Connection,
    patient_id: int,
    grader: TermGrader,
    study: Study,
    known: PatientState | None = None,
) -> dict[str, list[GradeRow]]:
    """Grade all results of a patient again and append what changed; current grades by identity.

    ``known`` None: it is read.
    """
    known, now = known or load_patient_state(connection, patient_id), datetime.now(UTC)
    rows = known.results
    reported = [stored_result(row) for row in rows]
    labs = with_study_ranges(connection, study, patient_id, reported, grader.names)
    current: dict[str, list[GradeRow]] = {row["identity"]: [] for row in rows}
    new: list[dict[str, Any]] = []
    entries = grade_patient(labs, known.courses, grader, study.rules.window)
    keys = [
        (rows[e.index]["identity"], e.grade.term.name if e.grade.term else None) for e in entries
    ]
    earlier, dropped = _earlier(keys, known.grades)
    for entry, (identity, _), before in zip(entries, keys, earlier, strict=True):
        graded = grade_row(entry, labs[entry.index], grader)
        graded |= {"patient_id": patient_id, "result_id": rows[entry.index]["id"]}
        if before is not None and all(before[name] == graded[name] for name in graded):
            current[identity].append(before)
            continue
        graded |= {"supersedes_id": before["id"] if before else None, "recorded_at": now}
        new.append(graded)
        current[identity].append(graded)
    closing = [_closing(row, grader, now) for row in dropped if row["term"] is not None]
    append(connection, grades, new + closing)
    shown = {row["id"]: {name: row[name] for name in REPORTED} for row in rows}
    for row in new:
        row |= shown[row["result_id"]]
    return current


def _earlier(
    keys: Sequence[tuple[str, str | None]], stored: Sequence[GradeRow]
) -> tuple[list[GradeRow | None], list[GradeRow]]:
    """The stored grade that each new one, by identity and term, comes after (None: it is the
    first), and those that none comes after.
    """
    by_key: dict[tuple[str, str | None], GradeRow] = {
        (row["identity"], row["term"]): row for row in stored
    }
    kept = set(keys)
    dropped = [row for key, row in by_key.items() if key not in kept]
    return [by_key.get(key) or _take(dropped, key[0]) for key in keys], dropped


def _take(dropped: list[GradeRow], identity: str) -> GradeRow | None:
    """A grade of that result for a term that the edition no longer has: its term comes after it."""
    mine = [row for row in dropped if row["identity"] == identity]
    if not mine:
        return None
    taken = next((row for row in mine if row["term"] is not None), mine[0])
    dropped.remove(taken)
    return taken


def _closing(row: GradeRow, grader: TermGrader, now: datetime) -> dict[str, Any]:
    """What supersedes the grade of a term that the edition does not have and nothing replaces."""
    no_grade = (
        "term", "meddra", "soc", "grade", "at_least", "at_most", "criterion", "baseline_grade",
        "worse_than_baseline", "study_range",
    )  # fmt: skip
    columns = {c.name: row[c.name] for c in grades.c if c.name in row and c.name != "id"}
    return (
        columns
        | dict.fromkeys(no_grade)
        | {
            "reason": Reason.UNKNOWN_ANALYTE.value,
            "because": "this edition does not grade the term that the earlier grade was for",
            "flags": "",
            "edition": grader.edition.name,
            "criteria_sha256": grader.edition.sha256,
            "software": __version__,
            "supersedes_id": row["id"],
            "recorded_at": now,
        }
    )


def grade_row(entry: PatientGrade, lab: LabResult, grader: TermGrader) -> dict[str, Any]:
    """One grade as it is stored, but for the rows it belongs to."""
    grade, term = entry.grade, entry.grade.term
    analyte = grader.names.analyte(lab.analyte)
    return {
        "collected_on": lab.collected.first if lab.collected else None,
        "analyte": analyte.name if analyte else lab.analyte,
        "term": term.name if term else None,
        "meddra": term.meddra if term else None,
        "soc": term.soc if term else None,
        "grade": grade.grade,
        "at_least": grade.at_least,
        "at_most": grade.at_most,
        "reason": grade.reason.value if grade.reason else None,
        "criterion": grade.criterion,
        "because": grade.because,
        "flags": " ".join(grade.flags),
        "phase": entry.phase,
        "on_treatment": entry.on_treatment,
        "days_from_end": entry.days_from_end,
        "course": entry.course,
        "baseline_grade": entry.baseline_grade,
        "worse_than_baseline": entry.worse_than_baseline,
        "study_range": range_used(lab, grade),
        "edition": grader.edition.name,
        "criteria_sha256": grader.edition.sha256,
        "software": __version__,
    }


@dataclass(frozen=True, slots=True)
class SavedRanges:
    """A study's table as it is now, and how many patients were graded again."""

    table: RangeTable
    patients: int


def put_ranges(
    connection: Connection, study_name: str, rows: Sequence[StudyRange], graders: Graders
) -> SavedRanges:
    """Replace the study's table; grade again who has a result of an analyte whose rows changed.

    Raises:
        NotFound: no such study.
        RequestError: a row that cannot be accepted.
    """
    study = lock_study(connection, study_name, to_change=True)
    grader = graders.for_rules(study.rules)
    table = range_table(rows, grader)
    changed = current_ranges(connection, study).changed(table)
    if not changed:
        return SavedRanges(table, 0)
    save_ranges(connection, study, table)
    touched = select(grades.c.patient_id).where(grades.c.analyte.in_(changed))
    mine = and_(patients.c.study_id == study.id, patients.c.id.in_(touched))
    found = lock_patients(connection, mine)
    for patient_id in found:
        regrade(connection, patient_id, grader, study)
    return SavedRanges(table, len(found))
