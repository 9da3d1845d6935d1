"""What a report on a study cannot place in time, and what it does not count."""

from sqlalchemy import Connection, case, func, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.table_document import LeftOut
from toxgrade.grading.flags import Flag
from toxgrade.grading.unplaced import Unplaced
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.after_death import after_death
from toxgrade.server.reports.cohort_queries import courses_by_patient, current_and_final
from toxgrade.server.reports.placed_results import other_courses

_FULL_DATE = len("2011-04-23")
_NO_END = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
_WHY_UNKNOWN = case(
    (_NO_END, Unplaced.NO_END_OF_TREATMENT.value),
    (results.c.collected.is_(None), Unplaced.NO_DATE.value),
    (func.length(results.c.collected) < _FULL_DATE, Unplaced.DATE_TOO_COARSE.value),
    else_=Unplaced.NO_START_OF_TREATMENT.value,
)


def left_out(connection: Connection, study: Study, scope: Scope) -> LeftOut:
    """Return what a report of ``scope`` leaves out, or counts only as bounds."""
    courses = courses_by_patient(connection, study)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    names = {row.id: row.name for row in connection.execute(named)}
    elsewhere = other_courses(connection, study, courses, scope.course - 1)
    return LeftOut(
        phase_unknown=_phase_unknown(connection, study),
        other_courses={names[patient]: n for patient, n in elsewhere.items()},
        after_death=after_death(connection, study),
        without_course=[name for patient, name in names.items() if not courses.get(patient)],
    )


def _phase_unknown(connection: Connection, study: Study) -> dict[str, int]:
    """Return the number of graded results of unknown phase by reason, of patients with a course."""
    why = _WHY_UNKNOWN.label("why")
    rows = connection.execute(
        select(why, func.count(grades.c.result_id.distinct()).label("n"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(patients.c.study_id == study.id, current_and_final())
        .where(grades.c.phase == "unknown", grades.c.course.is_not(None))
        .where(grades.c.at_least.is_not(None))
        .group_by(why)
    )
    return {row.why: row.n for row in rows}
