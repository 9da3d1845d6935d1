"""Days from radiotherapy to a first grade or to death, for every patient of a study."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, case, func, or_, select

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.survival import Observation
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    contacts_by_patient,
    counted,
    courses_by_patient,
    events_by_patient,
    followed_until,
    reported_course,
)

NotEvaluable = Literal["no-radiotherapy-start", "not-followed", "not-measured"]


@dataclass(slots=True)
class TimesToEvent:
    """The patients of a study with their days from the start of the course to an outcome.

    ``observed``: by name. ``undecided``: observed without the grade, though an undecided result may
    have reached it. ``not_evaluable``: patients who cannot be observed, by reason.
    """

    observed: dict[str, Observation] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    not_evaluable: dict[NotEvaluable, list[str]] = field(default_factory=dict)

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


@dataclass(slots=True)
class _Reached:
    """The first day on which the grade was certain, and whether any result may have reached it."""

    first: date | None = None
    possible: bool = False


def time_to_grade(
    connection: Connection, study: Study, row: TableRow, grade: int, course: int
) -> TimesToEvent:
    """Return each patient's days to the first grade from ``grade`` up that is worse than baseline.

    A result counts from the day it was taken, an event from its onset. Death is the competing
    event; patients alive are censored at the last contact or result, or at the next course. The
    grade may have been reached on any day since the visit before.
    """
    return times_to_grades(connection, study, row, (grade,), course)[grade]


def times_to_grades(
    connection: Connection, study: Study, row: TableRow, of: Sequence[int], course: int
) -> dict[int, TimesToEvent]:
    """Return the times to each of several grades, as ``time_to_grade``, with one query."""
    scope = Scope("both", course)
    by_grade = _laboratory(connection, study, row, of, scope)
    events = events_by_patient(connection, study)
    followed = list(_followed(connection, study, scope))
    times = {grade: TimesToEvent() for grade in of}
    for grade, found in times.items():
        for patient in followed:
            reached = by_grade[grade].get(patient.id)
            if reached is None and row.clinical:
                reached = _Reached()
            if patient.start is None:
                found.add_not_evaluable(patient.name, "no-radiotherapy-start")
            elif reached is None:
                found.add_not_evaluable(patient.name, "not-measured")
            elif patient.end is None or patient.end < patient.start:
                found.add_not_evaluable(patient.name, "not-followed")
            else:
                own = [event for event in events.get(patient.id, []) if event.term in row.terms]
                _add_events(reached, own, patient, grade, study, scope)
                if reached.possible and reached.first is None:
                    found.undecided.append(patient.name)
                found.observed[patient.name] = _observation(patient, patient.start, reached.first)
    return times


def overall_survival(connection: Connection, study: Study) -> TimesToEvent:
    """Return the days from the first course's start to death, or to the last contact or result."""
    found = TimesToEvent()
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


def _observation(patient: _FollowedPatient, start: date, first: date | None) -> Observation:
    """Return the event if it is within follow-up, else death or censoring at its end."""
    assert patient.end is not None  # The caller has checked it.
    if first is not None and first <= patient.end:
        return Observation((first - start).days, "event")
    outcome: Literal["competing", "censored"] = (
        "competing" if patient.died == patient.end else "censored"
    )
    return Observation((patient.end - start).days, outcome)


def _laboratory(
    connection: Connection, study: Study, row: TableRow, of: Sequence[int], scope: Scope
) -> dict[int, dict[int, _Reached]]:
    """Return by grade, then by patient, what the results after the start of the course reached."""
    end_unknown = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
    after = or_(grades.c.phase.in_(("acute", "late")), end_unknown)
    columns = []
    for grade in of:
        certain = and_(grades.c.at_least >= grade, grades.c.worse_than_baseline.is_(True))
        possible = and_(grades.c.at_most >= grade, grades.c.worse_than_baseline.is_not(False))
        columns += [
            func.min(case((certain, grades.c.collected_on))),
            func.max(case((possible, 1), else_=0)),
        ]
    rows = connection.execute(
        select(grades.c.patient_id, *columns)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, counted(scope), after)
        .where(grades.c.term.in_(row.terms), grades.c.at_least.is_not(None))
        .group_by(grades.c.patient_id)
    )
    reached: dict[int, dict[int, _Reached]] = {grade: {} for grade in of}
    for patient_id, *found in rows:
        for grade, first, possible in zip(of, found[::2], found[1::2], strict=True):
            reached[grade][patient_id] = _Reached(first, bool(possible))
    return reached


def _add_events(
    reached: _Reached,
    events: list[Row[Any]],
    patient: _FollowedPatient,
    grade: int,
    study: Study,
    scope: Scope,
) -> None:
    """Add clinicians' grades, each term compared with its own last grade up to the start."""
    baselines: dict[str, tuple[date, int]] = {}
    later: list[tuple[str, date, int, bool]] = []
    for event in events:
        onset = read_collected(event.onset)
        placement = place(onset, patient.courses, study.rules.window)
        if (placement.course or 0) != scope.course - 1:
            continue
        if placement.phase == "pre_treatment":
            dated = (onset.last, event.grade)
            baselines[event.term] = max(baselines.get(event.term, dated), dated)
        else:
            uncertain = placement.phase == "unknown" and not placement.flags
            later.append((event.term, onset.first, event.grade, not uncertain))
    for term, day, event_grade, certain in later:
        if event_grade >= grade and event_grade > baselines.get(term, (day, 0))[1]:
            reached.possible = True
            if certain:
                reached.first = min(reached.first or day, day)


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
