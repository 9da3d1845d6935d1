"""Recording a study's reference ranges, and grading again what they touch."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.grading.one import Graders
from app.grading.ranges import StudyRange
from app.grading.study_ranges import RangeTable, range_table
from app.records.history import current_courses
from app.records.ranges import current_ranges, save_ranges
from app.records.store import regrade
from app.records.studies import find_study
from app.records.tables import grades, patients, studies


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
    study = find_study(connection, study_name)
    grader = graders.under(study.rules)
    table = range_table(rows, grader)
    # A patient being added meanwhile is found below, or waits for this row and sees the new table.
    connection.execute(select(studies.c.id).where(studies.c.id == study.id).with_for_update())
    changed = current_ranges(connection, study).changed(table)
    if not changed:
        return SavedRanges(table, 0)
    save_ranges(connection, study, table)
    touched = select(grades.c.patient_id).where(grades.c.analyte.in_(changed))
    mine = select(patients.c.id).where(patients.c.study_id == study.id, patients.c.id.in_(touched))
    found = connection.scalars(mine.order_by(patients.c.id).with_for_update()).all()
    for patient_id in found:
        courses = current_courses(connection, patient_id)
        regrade(connection, patient_id, courses, grader, study)
    return SavedRanges(table, len(found))
