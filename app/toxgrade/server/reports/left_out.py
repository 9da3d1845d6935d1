"""What a report on a study cannot place in time, and what it does not count."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, case, func, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.left_out import LeftOut, left_out
from toxgrade.grading.flags import Flag
from toxgrade.grading.unplaced import Unplaced
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.patient_record import current_events
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    Courses,
    begins_after,
    current_and_final,
    deaths,
    has_flag,
    hold,
    patient_names,
)
from toxgrade.server.reports.placed_results import other_courses

_FULL_DATE = len("2011-04-23")
_NO_END = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
_WHY_UNKNOWN = case(
    (_NO_END, Unplaced.NO_END_OF_TREATMENT.value),
    (results.c.collected.is_(None), Unplaced.NO_DATE.value),
    (func.length(results.c.collected) < _FULL_DATE, Unplaced.DATE_TOO_COARSE.value),
    else_=Unplaced.NO_START_OF_TREATMENT.value,
)


def study_left_out(connection: Connection, study: Study, scope: Scope, courses: Courses) -> LeftOut:
    """Return what a report of ``scope`` leaves out, or counts only as bounds."""
    names = patient_names(connection, study)
    elsewhere = other_courses(connection, study, courses, scope.course - 1)
    return left_out(
        _phase_unknown(connection, study),
        (name for patient, name in names.items() if not courses.get(patient)),
        {names[patient]: n for patient, n in elsewhere.items()},
        after_death(connection, study),
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


def after_death(
    connection: Connection, study: Study, terms: Collection[str] | None = None
) -> dict[str, int]:
    """Return by patient how many results and events no report counts, as they are after death.

    ``terms``: only those that are graded for one of them; None: all.
    """
    died = deaths(connection, study)
    if not died:  # Else all grades would be read for a flag that none has.
        return {}
    late = [patients.c.study_id == study.id, hold(), has_flag(Flag.AFTER_DEATH)]
    if terms is not None:
        late.append(grades.c.term.in_(terms))
    found = Counter[str]()
    for name, n in connection.execute(
        select(patients.c.name, func.count(grades.c.result_id.distinct()))
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(*late)
        .group_by(patients.c.name)
    ):
        found[name] += n
    for event in connection.execute(current_events(study.id)):
        if begins_after(event, died.get(event.patient_id)) and (not terms or event.term in terms):
            found[event.patient] += 1
    return dict(found)
