"""Days from radiotherapy to a first grade or to death, for every patient of a study."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from sqlalchemy import Connection, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.survival import Observation
from toxgrade.criteria.model import Edition
from toxgrade.grading.result import Course
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.after_death import after_death
from toxgrade.server.reports.cohort_queries import (
    contacts_by_patient,
    courses_by_patient,
    followed_until,
    reported_course,
)
from toxgrade.server.reports.findings import Censor, Endpoint, Findings, Seen
from toxgrade.server.reports.placed_results import other_courses

NotEvaluable = Literal["no-radiotherapy-start", "not-followed", "not-measured"]


@dataclass(slots=True)
class TimesToEvent:
    """The patients of a study with their days from the start of the course to an outcome.

    ``observed``: by name. ``undecided``: without a certain event, though what is undecided or not
    placed in time may be one. ``inexact``: with an event on a day that is not exact; the first
    possible day of the first certain event counts. ``not_evaluable``: patients who cannot be
    observed, by reason. ``other_courses`` and ``after_death``: results left out, by patient.
    """

    observed: dict[str, Observation] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    inexact: list[str] = field(default_factory=list)
    not_evaluable: dict[NotEvaluable, list[str]] = field(default_factory=dict)
    other_courses: dict[str, int] = field(default_factory=dict)
    after_death: dict[str, int] = field(default_factory=dict)

    def add_not_evaluable(self, patient: str, reason: NotEvaluable) -> None:
        self.not_evaluable.setdefault(reason, []).append(patient)


@dataclass(frozen=True, slots=True)
class _FollowedPatient:
    """The follow-up of a patient; ``start`` is the course's, ``end`` None: no follow-up known."""

    id: int
    name: str
    start: date | None
    end: date | None
    died: date | None
    courses: tuple[Course, ...]


def times_to_grades(
    connection: Connection, study: Study, edition: Edition, endpoint: Endpoint, of: Sequence[int]
) -> dict[int, TimesToEvent]:
    """Return each patient's days to the first of each of several grades, worse than baseline.

    A result counts from the day it was taken, an event from its onset, of a partial date the first
    possible day; but only if it is certainly after the start. Death is the competing event. The
    grade may have been reached on any day since the visit before.
    """
    scope = Scope("both", endpoint.course)
    followed = list(_followed(connection, study, scope))
    started = {patient.id: patient.courses for patient in followed if patient.start}
    died = {patient.id: patient.died for patient in followed if patient.died}
    findings = Findings(connection, study, edition, endpoint, started, died)
    seen = findings.from_grade(min(of))
    courses = {patient.id: patient.courses for patient in followed}
    terms = endpoint.row.terms
    elsewhere = other_courses(connection, study, courses, endpoint.course - 1, terms)
    late = after_death(connection, study, terms)
    times = {grade: _times(grade, followed, seen, endpoint) for grade in of}
    for found in times.values():
        found.after_death = late
        found.other_courses = {p.name: n for p in followed if (n := elsewhere[p.id])}
    return times


def _times(
    grade: int,
    followed: Sequence[_FollowedPatient],
    seen: Mapping[int, Seen],
    endpoint: Endpoint,
) -> TimesToEvent:
    found = TimesToEvent()
    for patient in followed:
        own = seen.get(patient.id, Seen() if endpoint.row.clinical else None)
        if patient.start is None:
            found.add_not_evaluable(patient.name, "no-radiotherapy-start")
        elif own is None:
            found.add_not_evaluable(patient.name, "not-measured")
        else:
            _add(found, grade, patient, patient.start, own, endpoint.censor)
    return found


def _add(
    found: TimesToEvent,
    grade: int,
    patient: _FollowedPatient,
    start: date,
    seen: Seen,
    censor: Censor,
) -> None:
    possible = [f for f in seen.findings if f.at_most >= grade and f.worse is not False]
    certain = [f for f in possible if f.certain and f.at_least >= grade and f.worse]
    first = min((f.first for f in certain), default=None)
    if first is None and possible:
        found.undecided.append(patient.name)
    if first is not None and (patient.died is None or first <= patient.died):
        found.observed[patient.name] = Observation((first - start).days, "event")
        if min(f.first for f in possible) < first or min(f.last for f in certain) > first:
            found.inexact.append(patient.name)
    elif patient.end is None or patient.end < start:
        found.add_not_evaluable(patient.name, "not-followed")
    elif patient.died == patient.end:
        found.observed[patient.name] = Observation((patient.end - start).days, "competing")
    else:
        end = patient.end if censor == "contact" else max(start, seen.last or start)
        found.observed[patient.name] = Observation((end - start).days, "censored")


def overall_survival(connection: Connection, study: Study) -> TimesToEvent:
    """Return the days from the first course's start to death, or to the end of follow-up."""
    found = TimesToEvent(after_death=after_death(connection, study))
    for patient in _followed(connection, study, Scope("both"), through_later_courses=True):
        if patient.start is None:
            found.add_not_evaluable(patient.name, "no-radiotherapy-start")
        elif patient.end is None or patient.end < patient.start:
            found.add_not_evaluable(patient.name, "not-followed")
        else:
            days = (patient.end - patient.start).days
            died = patient.died is not None
            found.observed[patient.name] = Observation(days, "event" if died else "censored")
    return found


def _followed(
    connection: Connection, study: Study, scope: Scope, *, through_later_courses: bool = False
) -> Iterator[_FollowedPatient]:
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
        yield _FollowedPatient(patient_id, name, course.start if course else None, end, died, own)
