"""What a report on a study cannot place in time, and what it does not count."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.table_document import LeftOut
from toxgrade.grading.flags import Flag
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.after_death import after_death
from toxgrade.server.reports.cohort_queries import courses_by_patient, current_and_final

_FULL_DATE = len("2011-04-23")
_NO_END = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
_WHY_UNKNOWN = case(
    (_NO_END, "no_end_of_treatment"),
    (results.c.collected.is_(None), "no_date"),
    (func.length(results.c.collected) < _FULL_DATE, "date_too_coarse"),
    else_="no_start_of_treatment",
)


def left_out(connection: Connection, study: Study, scope: Scope) -> LeftOut:
    """Return what a report of ``scope`` leaves out, or counts only as bounds."""
    courses = courses_by_patient(connection, study)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    unknown = _number_by(
        connection, study, _WHY_UNKNOWN, grades.c.phase == "unknown", grades.c.course.is_not(None)
    )
    found = LeftOut(
        phase_unknown=unknown,
        after_death=after_death(connection, study),
        without_course=[row.name for row in connection.execute(named) if not courses.get(row.id)],
    )
    if any(len(own) > 1 for own in courses.values()):
        found.other_courses = _number_by(
            connection, study, patients.c.name,
            grades.c.phase.in_(("acute", "late")), grades.c.course != scope.course - 1,
        )  # fmt: skip
    return found


def _number_by(
    connection: Connection, study: Study, key: ColumnElement[Any], *conditions: ColumnElement[bool]
) -> dict[str, int]:
    """Return the number of graded results by a key."""
    rows = connection.execute(
        select(key.label("key"), func.count(grades.c.result_id.distinct()).label("n"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(patients.c.study_id == study.id, current_and_final(), *conditions)
        .where(grades.c.at_least.is_not(None))
        .group_by(key)
    )
    return {row.key: row.n for row in rows}
