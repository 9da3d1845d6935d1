"""What is read of a patient for the report on liver safety."""

from sqlalchemy import Connection

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.hys_law import WITHIN_DAYS
from toxgrade.cohort.liver import LiverSafety, liver_safety
from toxgrade.cohort.liver_course import liver_course
from toxgrade.cohort.liver_day import measured
from toxgrade.cohort.liver_report import LiverReport, liver_report
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import read_collected
from toxgrade.server.records.current_state import (
    current_courses,
    current_follow_up,
    current_results,
)
from toxgrade.server.records.liver_reviews import current_reviews
from toxgrade.server.records.patient_record import events_of_patient
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges


def patient_liver_safety(
    connection: Connection, study: Study, patient: str, grader: TermGrader,
    within_days: int = WITHIN_DAYS, course: int = 1,
) -> LiverReport:  # fmt: skip
    """Return one patient's liver safety; None where a figure cannot be computed.

    Raises:
        NotFound: no such patient.
    """
    patient_id = find_patient(connection, study, patient)
    found, after_death = _all_courses(connection, study, patient_id, grader, within_days, course)
    return liver_report(found, course, current_reviews(connection, patient_id), after_death)


def possible_findings(
    connection: Connection, study: Study, patient_id: int, grader: TermGrader
) -> set[tuple[str, str | None]]:
    """Return name and date of what a patient has for certain or possibly, over all courses."""
    found, _ = _all_courses(connection, study, patient_id, grader, WITHIN_DAYS, 1)
    return {one for safety in found.values() for one in safety.possible_findings}


def _all_courses(
    connection: Connection, study: Study, patient_id: int, grader: TermGrader,
    within_days: int, course: int,
) -> tuple[dict[int, LiverSafety], int]:  # fmt: skip
    """Return the findings by course, from 0, and how many results are dated after death."""
    died = current_follow_up(connection, patient_id).died
    stored = [version.result for version in current_results(connection, patient_id)]
    labs = with_study_ranges(connection, study, patient_id, stored, grader.names)
    late = [result for result in labs if is_after_death(result, died)]
    alive = [result for result in labs if not is_after_death(result, died)]
    events = [
        ClinicalEvent(row.term, row.grade, read_collected(row.onset), row.resolved)
        for row in connection.execute(events_of_patient(patient_id))
    ]
    recorded = [one for one in events if died is None or one.onset.first <= died]
    courses = current_courses(connection, patient_id)
    found = {
        index: liver_safety(
            liver_course(alive, courses, index, grader, study.rules.window, recorded), within_days
        )
        for index in {*range(max(1, len(courses))), course - 1}
    }
    return found, sum(measured(result, grader) is not None for result in late)
