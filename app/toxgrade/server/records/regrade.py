"""Grading stored results again: changed grades are appended, nothing is overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import and_, select

from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import RangeTable, range_table
from toxgrade.server.records.addition import keep_whole
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import (
    Basis,
    changed_grades,
    locked_basis,
    person_for,
)
from toxgrade.server.records.new_rows import NewRows, append_rows
from toxgrade.server.records.patient_state import load_patient_state
from toxgrade.server.records.patients import lock_patients
from toxgrade.server.records.studies import Study, lock_study
from toxgrade.server.records.study_ranges import current_ranges, save_ranges


def regrade_study(transaction: Transaction, study: Study, graders: Graders) -> None:
    """Grade every patient of a study again by its current rules."""
    basis = locked_basis(transaction, study, graders)
    for patient_id in lock_patients(transaction, patients.c.study_id == study.id):
        regrade(transaction, patient_id, basis)


def regrade(transaction: Transaction, patient_id: int, basis: Basis) -> None:
    """Grade all results of a patient, who must be locked, again and append what changed."""
    known = load_patient_state(transaction, patient_id)
    person = person_for(transaction.read(), basis, patient_id)
    changed, current = changed_grades(known, basis, person, transaction.runtime.now())
    append_rows(transaction, [(patient_id, NewRows(grades=changed))])
    rows = [*chain.from_iterable(current.values())]
    keep_whole(transaction, patient_id, basis, known, rows, is_changed=bool(changed))


@dataclass(frozen=True, slots=True)
class SavedRanges:
    """A study's current table of ranges, and how many patients were graded again."""

    table: RangeTable
    patients: int


def put_ranges(
    transaction: Transaction, study_name: str, rows: Sequence[StudyRange], graders: Graders
) -> SavedRanges:
    """Replace the study's ranges; regrade patients with results of analytes whose ranges changed.

    Raises:
        NotFound: there is no such study.
        RequestError: a row cannot be accepted.
    """
    study = lock_study(transaction, study_name, to_change=True)
    grader = graders.for_rules(study.rules)
    table = range_table(rows, grader)
    changed = current_ranges(transaction.read(), study).changed(table)
    if not changed:
        return SavedRanges(table, 0)
    save_ranges(transaction, study, table)
    of_patient = and_(grades.c.patient_id == patients.c.id, grades.c.analyte.in_(changed))
    one_changed = select(grades.c.id).where(of_patient).limit(1).scalar_subquery()
    condition = and_(patients.c.study_id == study.id, one_changed.is_not(None))
    patient_ids = lock_patients(transaction, condition)
    basis = locked_basis(transaction, study, graders)
    for patient_id in patient_ids:
        regrade(transaction, patient_id, basis)
    return SavedRanges(table, len(patient_ids))
