"""Grading stored results again: changed grades are appended, nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import RangeTable, range_table
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.grade_changes import (
    Basis,
    changed_grades,
    person_for,
    read_basis,
)
from toxgrade.server.records.new_rows import NewRows, append_rows
from toxgrade.server.records.patient_state import load_patient_state
from toxgrade.server.records.patients import lock_patients
from toxgrade.server.records.studies import Study, lock_study
from toxgrade.server.records.study_ranges import current_ranges, save_ranges


def regrade_study(connection: Connection, study: Study, graders: Graders) -> None:
    """Grade every patient of a study again by its current rules."""
    basis = read_basis(connection, study, graders)
    for patient_id in lock_patients(connection, patients.c.study_id == study.id):
        regrade(connection, patient_id, basis)


def regrade(connection: Connection, patient_id: int, basis: Basis) -> None:
    """Grade all results of a patient, who must be locked, again and append what changed."""
    known = load_patient_state(connection, patient_id)
    changed, _ = changed_grades(known, basis, person_for(connection, basis, patient_id))
    append_rows(connection, [(patient_id, NewRows(grades=changed))])


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
    basis = read_basis(connection, study, graders)
    for patient_id in patient_ids:
        regrade(connection, patient_id, basis)
    return SavedRanges(table, len(patient_ids))
