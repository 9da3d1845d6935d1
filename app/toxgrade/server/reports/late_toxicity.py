"""What is read of a study for its late toxicity: graded results and clinicians' events by term."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, or_, select

from toxgrade.cohort.clinical_events import TermEvents, events_over_course
from toxgrade.cohort.late_report import LateReport, late_report
from toxgrade.cohort.late_toxicity import (
    TermVisits,
    Visit,
    event_visits,
    late_toxicity,
    result_visit,
)
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import Attribution
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    Courses,
    courses_by_patient,
    deaths,
    events_by_patient,
    head,
    patient_names,
)
from toxgrade.server.reports.left_out import after_death
from toxgrade.server.reports.placed_results import (
    laboratory_baselines,
    other_courses,
    placed_results,
)

_Key = tuple[int, str]
"""A patient's row number and a term."""


def study_late_toxicity(
    connection: Connection, study: Study, edition: Edition, course: int,
    attributions: Sequence[Attribution],
) -> LateReport:  # fmt: skip
    """Return the late toxicity of those attributions by patient and term; counts are of all."""
    names, courses = patient_names(connection, study), courses_by_patient(connection, study)
    index = course - 1
    terms = _visits(connection, study, edition, names, courses, index)
    elsewhere = other_courses(connection, study, courses, index)
    left = {names[n]: k for n, k in elsewhere.items() if len(courses.get(n, ())) >= course}
    late = after_death(connection, study)
    found = late_toxicity(terms, index)
    return late_report(head(study), course, attributions, found, left, late)


def _visits(
    connection: Connection, study: Study, edition: Edition, names: dict[int, str],
    courses: Courses, course: int,
) -> list[TermVisits]:  # fmt: skip
    """Return the visits of the terms that may be late in a course (its index) and worse.

    A laboratory term needs a baseline; a clinical term without one began at grade 0.
    """
    laboratory = {term.name for term in edition.terms}
    measured = laboratory_baselines(connection, study, course, [*laboratory])
    died, window = deaths(connection, study), study.rules.window
    events: dict[_Key, TermEvents] = {}
    visits: dict[_Key, list[Visit]] = {}
    for patient, recorded in events_by_patient(connection, study).items():
        treated, before = courses.get(patient, ()), measured.get(patient, {})
        for found in events_over_course(
            recorded, treated, course, window, died.get(patient), before, laboratory
        ):
            events[patient, found.term] = found
            if own := list(event_visits(found, treated, course, window)):
                visits[patient, found.term] = own
    keys = _may_be_late(connection, study, {term for _, term in events} & laboratory)
    wanted = and_(grades.c.phase != "baseline", grades.c.term.in_({term for _, term in keys}))
    for one in placed_results(connection, study, courses, course, wanted, keys):
        if visit := result_visit(one, course):
            visits.setdefault((one.patient_id, one.term), []).append(visit)
    return [
        TermVisits(
            names[patient], term, own,
            events[patient, term].baseline
            if (patient, term) in events
            else measured.get(patient, {}).get(term),
            courses.get(patient, ()),
        )
        for (patient, term), own in visits.items()
    ]  # fmt: skip


def _may_be_late(connection: Connection, study: Study, also: set[str]) -> set[_Key]:
    """Return the patients and terms with a grade that may be late and worse; or of terms ``also``.

    They are read before the results: as a condition of these, PostgreSQL compares each result with
    all keys once it expects more of them than fit into its memory for one step.
    """
    may_be = and_(grades.c.phase.in_(("late", "unknown")), grades.c.at_most >= 1)
    worse_late = and_(may_be, grades.c.worse_than_baseline.is_not(False))
    keys = (
        select(grades.c.patient_id, grades.c.term)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, or_(worse_late, grades.c.term.in_(also)))
        .where(grades.c.term.is_not(None))
        .distinct()
    )
    return {(patient, term) for patient, term in connection.execute(keys)}
