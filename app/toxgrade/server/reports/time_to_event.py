"""What is read of a study for the days from radiotherapy to a first grade or to death."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, and_, or_, select

from toxgrade.cohort.curves import (
    IncidenceReport,
    SurvivalReport,
    incidence_report,
    survival_report,
)
from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.swimmer import Swimmer, swimmer
from toxgrade.cohort.time_to_event import (
    Endpoint,
    Followed,
    Seen,
    TimesToEvent,
    add_events,
    add_results,
    times_to_death,
    times_to_grade,
)
from toxgrade.criteria.model import Edition
from toxgrade.grading.result import AFTER_START
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    contacts_by_patient,
    courses_by_patient,
    events_by_patient,
    followed_until,
    head,
    patient_names,
    reported_course,
)
from toxgrade.server.reports.left_out import after_death
from toxgrade.server.reports.placed_results import (
    laboratory_baselines,
    last_results,
    other_courses,
    placed_results,
)


def times_to_grades(
    connection: Connection, study: Study, edition: Edition, endpoint: Endpoint, of: Sequence[int]
) -> dict[int, TimesToEvent]:
    """Return each patient's days to the first of each of several grades, worse than baseline."""
    followed = list(_followed(connection, study, Scope("both", endpoint.course)))
    seen = _seen(connection, study, edition, endpoint, followed, min(of))
    terms = endpoint.row.terms
    courses = {patient.id: patient.courses for patient in followed}
    elsewhere = other_courses(connection, study, courses, endpoint.index, terms)
    late = after_death(connection, study, terms)
    times = {grade: times_to_grade(grade, followed, seen, endpoint) for grade in of}
    for found in times.values():
        found.after_death = late
        found.other_courses = {p.name: n for p in followed if (n := elsewhere[p.id])}
    return times


def _seen(
    connection: Connection, study: Study, edition: Edition, endpoint: Endpoint,
    followed: Sequence[Followed], lowest: int,
) -> dict[int, Seen]:  # fmt: skip
    """Return the patients with anything that may be after the start, and grades from ``lowest``."""
    started = {patient.id: patient for patient in followed if patient.start}
    courses = {patient.id: patient.courses for patient in started.values()}
    terms, index = endpoint.row.terms, endpoint.index
    last = last_results(connection, study, index, terms)
    seen = {patient_id: Seen(last=last[patient_id]) for patient_id in last.keys() & started.keys()}
    may_reach = and_(grades.c.at_most >= lowest, grades.c.worse_than_baseline.is_not(False))
    after = and_(grades.c.phase.in_(AFTER_START), may_reach)
    wanted = and_(grades.c.term.in_(terms), or_(grades.c.phase == "unknown", after))
    results = placed_results(connection, study, courses, index, wanted)
    add_results(seen, results, started, endpoint)
    laboratory = {term.name for term in edition.terms}
    measured = laboratory_baselines(
        connection, study, index, [term for term in terms if term in laboratory]
    )
    events, window = events_by_patient(connection, study), study.rules.window
    for patient in started.values():
        own, before = events.get(patient.id, ()), measured.get(patient.id, {})
        add_events(seen, patient, own, before, laboratory, window, endpoint)
    return seen


def overall_survival(connection: Connection, study: Study) -> TimesToEvent:
    """Return the days from the first course's start to death, or to the end of follow-up."""
    followed = _followed(connection, study, Scope("both"), through_later_courses=True)
    found = times_to_death(followed)
    found.after_death = after_death(connection, study)
    return found


def _followed(
    connection: Connection, study: Study, scope: Scope, *, through_later_courses: bool = False
) -> Iterator[Followed]:
    """Yield every patient of the study who had the course, by name, with the end of follow-up."""
    courses = courses_by_patient(connection, study)
    contacts = contacts_by_patient(connection, study)
    followed = followed_until(connection, study)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    for patient_id, name in connection.execute(named.order_by(patients.c.name)):
        own = courses.get(patient_id, ())
        if scope.course > max(1, len(own)):
            continue
        course, next_start = reported_course(own, scope)
        contact = contacts.get(patient_id)
        died = contact.died if contact else None
        end = followed.get(patient_id)
        if end and next_start and not through_later_courses:
            end = min(end, next_start)
        yield Followed(patient_id, name, course.start if course else None, end, died, own)


def study_incidence(
    connection: Connection, study: Study, edition: Edition, endpoint: Endpoint, grade: int
) -> IncidenceReport:
    """Return the cumulative incidence of a grade or higher in a study."""
    times = times_to_grades(connection, study, edition, endpoint, (grade,))[grade]
    return incidence_report(head(study), times, endpoint, grade)


def study_survival(connection: Connection, study: Study) -> SurvivalReport:
    """Return the overall survival of a study's patients."""
    return survival_report(head(study), overall_survival(connection, study))


def study_swimmer(
    connection: Connection, study: Study, edition: Edition, rows: Sequence[TableRow]
) -> Swimmer:
    """Return the lanes of a swimmer plot, over the rows' terms."""
    terms = tuple({term: None for row in rows for term in (*row.terms, *row.also)})
    endpoint = Endpoint(TableRow("any", terms, clinical=True))
    times = times_to_grades(connection, study, edition, endpoint, range(5, 0, -1))
    names, courses = patient_names(connection, study), courses_by_patient(connection, study)
    of_names = {names[patient_id]: own for patient_id, own in courses.items()}
    return swimmer(times, overall_survival(connection, study), of_names)
