"""Recording a study's reference ranges, and grading again what they touch."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from toxgrade.grading.grader import Graders
from toxgrade.grading.reference_ranges import StudyRange
from toxgrade.grading.study_ranges import RangeTable, range_table
from toxgrade.records.patients import lock_patients
from toxgrade.records.ranges import current_ranges, save_ranges
from toxgrade.records.regrade import regrade
from toxgrade.records.studies import hold_study
from toxgrade.records.tables import grades, patients


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
    study = hold_study(connection, study_name, to_change=True)
    grader = graders.under(study.rules)
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
