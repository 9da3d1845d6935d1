"""What is read of a patient for the report on liver safety."""

import threading
from collections import OrderedDict
from functools import cache, partial

from sqlalchemy import Connection, bindparam, func, select

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.hys_law import WITHIN_DAYS
from toxgrade.cohort.liver import LiverSafety, liver_safety
from toxgrade.cohort.liver_course import liver_course
from toxgrade.cohort.liver_day import is_of_liver, measured
from toxgrade.cohort.liver_report import LiverReport, liver_report
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.parse import read_collected
from toxgrade.server.records.current_state import (
    current_courses,
    current_follow_up,
    current_results,
)
from toxgrade.server.records.db.tables import (
    demographics,
    events,
    follow_ups,
    grades,
    liver_reviews,
    study_ranges,
    study_rules,
    treatments,
)
from toxgrade.server.records.liver_reviews import current_reviews
from toxgrade.server.records.patient_record import events_of_patient
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges

_MOST_KEPT, _MOST_DAYS = 32, 2_000  # 10 MB where all are as long.
_OF_PATIENT = (demographics, events, follow_ups, grades, liver_reviews, treatments)
_OF_STUDY = (study_ranges, study_rules)
# The sum keeps PostgreSQL from walking back through the rows of all patients (``newest_first``).
_HIGHEST = select(
    *(
        select(func.max(table.c.id + 0)).where(column == bindparam(owner)).scalar_subquery()
        for tables, name, owner in (
            (_OF_PATIENT, "patient_id", "of_patient"),
            (_OF_STUDY, "study_id", "of_study"),
        )
        for table in tables
        for column in (table.c[name],)
    )
)


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


class KeptReports:
    """The liver reports of the patients that were asked for last.

    A report takes 50 ms for every 1,000 results. It is kept while no row of its patient is added:
    all tables are append-only, so the highest ids say what there is, also as of a moment.
    """

    def __init__(self) -> None:
        self._reports: OrderedDict[tuple[object, ...], LiverReport] = OrderedDict()
        self._lock = threading.Lock()

    def report(
        self, connection: Connection, study: Study, patient: str, grader: TermGrader
    ) -> LiverReport:
        """Return what ``patient_liver_safety`` returns.

        Raises:
            NotFound: no such patient.
        """
        patient_id = find_patient(connection, study, patient)
        known = {"of_patient": patient_id, "of_study": study.id}
        key = (patient_id, *connection.execute(_HIGHEST, known).one())
        with self._lock:
            if found := self._reports.get(key):
                self._reports.move_to_end(key)
                return found
        found = patient_liver_safety(connection, study, patient, grader)
        if len(found.albi) <= _MOST_DAYS:
            with self._lock:
                self._reports[key] = found
                while len(self._reports) > _MOST_KEPT:
                    self._reports.popitem(last=False)
        return found


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
    is_wanted = cache(partial(is_of_liver, grader=grader))
    found_results = current_results(connection, patient_id, is_wanted)
    stored = [version.result for version in found_results]
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
