"""What reports read of a whole study: which grades count, courses, events and follow-up."""

from collections.abc import Mapping
from datetime import date

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.definition import Scope
from toxgrade.cohort.described import StudyReport
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import FollowUp, read_courses
from toxgrade.server.records.db.tables import follow_ups, grades, patients, treatments
from toxgrade.server.records.patient_record import current_events
from toxgrade.server.records.studies import Study

Courses = Mapping[int, tuple[Course, ...]]
"""The courses of every patient by row number; a patient without any may be left out."""


def head(study: Study) -> StudyReport:
    """Return what every report on a study begins with."""
    return StudyReport(study.name, study.synthetic)


def patient_names(connection: Connection, study: Study) -> dict[int, str]:
    """Return the names of a study's patients by their row numbers."""
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    return {row.id: row.name for row in connection.execute(named)}


def reported_course(courses: tuple[Course, ...], scope: Scope) -> tuple[Course | None, date | None]:
    """Return the course that a report is about, and the start of the next one, which ends it."""
    course, later = courses[scope.course - 1 : scope.course], courses[scope.course :]
    return course[0] if course else None, later[0].start if later else None


def counted(scope: Scope) -> ColumnElement[bool]:
    """Return the condition of grades that a report counts: current, final, of its course."""
    of_course = grades.c.course == scope.course - 1
    return and_(
        current_and_final(),
        or_(grades.c.course.is_(None), of_course) if scope.course == 1 else of_course,
    )


def current_and_final() -> ColumnElement[bool]:
    """Return the condition of grades that count in reports, whichever course they belong to.

    Those of results dated after the patient's death do not.
    """
    return and_(grades.c.term.is_not(None), hold(), ~has_flag(Flag.AFTER_DEATH))


def hold() -> ColumnElement[bool]:
    """Return the condition of grades that no other supersedes and whose result is final."""
    later = grades.alias("later")
    return and_(
        grades.c.reason.is_distinct_from("not-final"),
        ~exists().where(later.c.supersedes_id == grades.c.id),
    )


def has_flag(flag: Flag) -> ColumnElement[bool]:
    """Return the condition of grades with a flag."""
    return grades.c.flags.contains(flag.value)


def may_be_baseline() -> ColumnElement[bool]:
    """Return the condition of grades that may be the baseline's, which is ambiguous.

    They are those of the results up to the start of the course where the baseline's own grade
    depends on which of several results of one day it is: nothing is certain of it above 0.
    """
    before = grades.c.phase.in_(("baseline", "pre_treatment"))
    ambiguous = has_flag(Flag.BASELINE_AMBIGUOUS)
    return and_(before, ambiguous, grades.c.baseline_grade.is_(None), grades.c.at_most.is_not(None))


def followed_until(connection: Connection, study: Study) -> dict[int, date]:
    """Return the last day on which each patient was followed, by the patient's row number.

    That is the day of death or the last contact where one is recorded, whatever results are dated
    later. Else it is the last result, by its first possible day, whose date is not unlikely.
    Patients of whom neither is known are left out.
    """
    likely = and_(hold(), ~has_flag(Flag.UNLIKELY_DATE), ~has_flag(Flag.AFTER_DEATH))
    last = (
        select(grades.c.patient_id, func.max(grades.c.collected_on).label("last"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, grades.c.collected_on.is_not(None), likely)
        .group_by(grades.c.patient_id)
    )
    contacts = contacts_by_patient(connection, study)
    recorded = {n: one.last_contact for n, one in contacts.items() if one.last_contact}
    return {row.patient_id: row.last for row in connection.execute(last)} | recorded


def events_by_patient(connection: Connection, study: Study) -> dict[int, list[ClinicalEvent]]:
    """Return the current clinical events of a study by the patient's row number.

    A partial onset ends at the latest with the day on which the event resolved. Events that
    certainly began after the patient's death, which was recorded later, are left out.
    """
    died = deaths(connection, study)
    found: dict[int, list[ClinicalEvent]] = {}
    for row in connection.execute(current_events(study.id)):
        if begins_after(row, died.get(row.patient_id)):
            continue
        onset = read_collected(row.onset)
        if row.resolved and row.resolved < onset.last:
            onset = replace(onset, last=row.resolved)
        event = ClinicalEvent(
            row.term, row.grade, onset, row.resolved, bool(row.ongoing), row.attribution
        )
        found.setdefault(row.patient_id, []).append(event)
    return found


def deaths(connection: Connection, study: Study) -> dict[int, date]:
    """Return the day of death of every patient who has one, by the patient's row number."""
    contacts = contacts_by_patient(connection, study)
    return {n: one.died for n, one in contacts.items() if one.died}


def begins_after(event: Row[tuple[object, ...]], died: date | None) -> bool:
    """Return whether an event certainly began after the death; None: there is none."""
    return died is not None and read_collected(event.onset).first > died


def courses_by_patient(connection: Connection, study: Study) -> dict[int, tuple[Course, ...]]:
    """Return every patient's courses as last recorded, by the patient's row number."""
    rows = connection.execute(
        select(treatments.c.patient_id, treatments.c.courses)
        .join(patients, treatments.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id)
        .order_by(treatments.c.id)
    )
    return {row.patient_id: read_courses(row.courses) for row in rows}


def contacts_by_patient(connection: Connection, study: Study) -> dict[int, FollowUp]:
    """Return every patient's follow-up as last recorded, by the patient's row number."""
    rows = connection.execute(
        select(
            follow_ups.c.patient_id,
            follow_ups.c.last_contact,
            follow_ups.c.vital_status,
            follow_ups.c.cause,
        )
        .join(patients, follow_ups.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id)
        .order_by(follow_ups.c.id)
    )
    return {row.patient_id: FollowUp(*row[1:]) for row in rows}
