"""Grading stored results again: changed grades are appended, nothing is overwritten."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from toxgrade import __version__
from toxgrade.grading.flags import Reason
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.result import LabResult, PatientGrade
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import RangeTable, range_table
from toxgrade.server.records.current_state import REPORTED, stored_result
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.doubts import flag_dates, flag_doubts
from toxgrade.server.records.patient_state import GradeRow, PatientState, load_patient_state
from toxgrade.server.records.patients import lock_patients
from toxgrade.server.records.studies import Study, lock_study
from toxgrade.server.records.study_ranges import (
    current_ranges,
    range_used,
    save_ranges,
    with_study_ranges,
)
from toxgrade.server.records.version_index import Version


def regrade_study(connection: Connection, study: Study, graders: Graders) -> None:
    """Grade every patient of a study again by its current rules."""
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
    """Grade all results of a patient again, append what changed, return current grades by identity.

    ``known`` is the patient's current state; None: it is loaded.
    """
    known, now = known or load_patient_state(connection, patient_id), datetime.now(UTC)
    rows = known.results
    versions = [Version(row["identity"], row["version"], stored_result(row)) for row in rows]
    doubted = flag_doubts(versions, grader.names)
    stored = [row["recorded_at"] for row in rows]
    dated = flag_dates(doubted, stored, known.courses, known.died)
    labs = with_study_ranges(connection, study, patient_id, dated, grader.names)
    current: dict[str, list[GradeRow]] = {row["identity"]: [] for row in rows}
    new: list[dict[str, Any]] = []
    entries = grade_patient(labs, known.courses, grader, study.rules.window)
    keys = [
        (rows[e.index]["identity"], e.grade.term.name if e.grade.term else None) for e in entries
    ]
    superseded, dropped = _superseded(keys, known.grades)
    for entry, (identity, _), before in zip(entries, keys, superseded, strict=True):
        graded = grade_row(entry, labs[entry.index], grader)
        graded |= {"patient_id": patient_id, "result_id": rows[entry.index]["id"]}
        if before is not None and all(before[name] == graded[name] for name in graded):
            current[identity].append(before)
            continue
        graded |= {"supersedes_id": before["id"] if before else None, "recorded_at": now}
        new.append(graded)
        current[identity].append(graded)
    closing_rows = [_closing_row(row, grader, now) for row in dropped if row["term"] is not None]
    append(connection, grades, new + closing_rows)
    reported_columns = {row["id"]: {name: row[name] for name in REPORTED} for row in rows}
    for row in new:
        row |= reported_columns[row["result_id"]]
    return current


def _superseded(
    keys: Sequence[tuple[str, str | None]], stored: Sequence[GradeRow]
) -> tuple[list[GradeRow | None], list[GradeRow]]:
    """Return for each new grade, given by identity and term, the stored grade that it supersedes
    (None: there is none), and the stored grades that no new one supersedes.

    That is the one for its term, else one of the same result for a term that it has no more. Of a
    result that is graded no more there may be several without a term.
    """
    waiting: dict[str, list[GradeRow]] = defaultdict(list)
    for row in stored:
        waiting[row["identity"]].append(row)
    same = [_take(waiting[identity], term) for identity, term in keys]
    superseded = [
        row or _take(waiting[identity], *(other["term"] for other in waiting[identity]))
        for row, (identity, _) in zip(same, keys, strict=True)
    ]
    return superseded, [row for rows in waiting.values() for row in rows]


def _take(rows: list[GradeRow], *terms: str | None) -> GradeRow | None:
    """Remove and return a result's grade for one of the terms, rather a term than none."""
    found = [row for row in rows if row["term"] in terms]
    taken = next((row for row in found if row["term"] is not None), found[0] if found else None)
    if taken is not None:
        rows.remove(taken)
    return taken


def _closing_row(row: GradeRow, grader: TermGrader, now: datetime) -> dict[str, Any]:
    """Return the row that supersedes a grade whose term the edition lacks, if no grade does."""
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
            "because": "by its present rules the study grades the result for this term no more",
            "flags": "",
            "edition": grader.edition.name,
            "criteria_sha256": grader.edition.sha256,
            "software": __version__,
            "supersedes_id": row["id"],
            "recorded_at": now,
        }
    )


def grade_row(entry: PatientGrade, lab: LabResult, grader: TermGrader) -> dict[str, Any]:
    """Return one grade's columns as they are stored, without the ids of patient and result."""
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
    """A study's current table of ranges, and how many patients were graded again."""

    table: RangeTable
    patients: int


def put_ranges(
    connection: Connection, study_name: str, rows: Sequence[StudyRange], graders: Graders
) -> SavedRanges:
    """Replace the study's ranges; regrade patients with results of analytes whose ranges changed.

    Raises:
        NotFound: there is no such study.
        RequestError: a row cannot be accepted.
    """
    study = lock_study(connection, study_name, to_change=True)
    grader = graders.for_rules(study.rules)
    table = range_table(rows, grader)
    changed = current_ranges(connection, study).changed(table)
    if not changed:
        return SavedRanges(table, 0)
    save_ranges(connection, study, table)
    of_patient = and_(grades.c.patient_id == patients.c.id, grades.c.analyte.in_(changed))
    one_changed = select(grades.c.id).where(of_patient).limit(1).scalar_subquery()
    condition = and_(patients.c.study_id == study.id, one_changed.is_not(None))
    patient_ids = lock_patients(connection, condition)
    for patient_id in patient_ids:
        regrade(connection, patient_id, grader, study)
    return SavedRanges(table, len(patient_ids))
