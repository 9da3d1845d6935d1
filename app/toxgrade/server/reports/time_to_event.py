"""When each patient of a study first reached a grade, or died, counted from radiotherapy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, case, func, or_, select

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.survival import Observation
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course, Flag
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    contacts_by_patient,
    counted,
    courses_by_patient,
    events_by_patient,
    reported_course,
)

NotEvaluable = Literal["no-radiotherapy-start", "not-followed", "not-measured"]


@dataclass(slots=True)
class TimeTo:
    """Patients by name with the days from the start of the course to what happened.

    ``undecided``: observed as without the grade, though an undecided result may have reached it.
    ``not_evaluable``: patients that cannot be observed, by reason.
    """

    observed: dict[str, Observation] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)
    not_evaluable: dict[NotEvaluable, list[str]] = field(default_factory=dict)

    def refuse(self, patient: str, reason: NotEvaluable) -> None:
        self.not_evaluable.setdefault(reason, []).append(patient)


@dataclass(frozen=True, slots=True)
class _Followed:
    """A patient from the start of the course; ``end`` None: never seen after it."""

    id: int
    name: str
    start: date | None
    end: date | None
    died: date | None
    courses: tuple[Course, ...]


@dataclass(slots=True)
class _Reached:
    """The first day on which the grade was certain, and whether it may have been without that."""

    first: date | None = None
    possible: bool = False


def time_to_grade(
    connection: Connection, study: Study, row: TableRow, grade: int, course: int
) -> TimeTo:
    """Days to the first grade of at least ``grade`` that is worse than the patient's own baseline.

    A result counts from the day it was taken, an event from its onset. Death is the competing
    event; a patient alive is followed to the last contact or result, or to the next course. Visits
    are apart: the grade was reached on that day or at some time since the visit before.
    """
    return times_to_grades(connection, study, row, (grade,), course)[grade]


def times_to_grades(
    connection: Connection, study: Study, row: TableRow, of: Sequence[int], course: int
) -> dict[int, TimeTo]:
    """The same for several grades, reading the results once."""
    scope = Scope("both", course)
    reached = _laboratory(connection, study, row, of, scope)
    events = events_by_patient(connection, study)
    followed = list(_followed(connection, study, scope))
    times = {grade: TimeTo() for grade in of}
    for grade, found in times.items():
        for patient in followed:
            mine = reached[grade].get(patient.id)
            if mine is None and row.clinical:
                mine = _Reached()
            if patient.start is None:
                found.refuse(patient.name, "no-radiotherapy-start")
            elif mine is None:
                found.refuse(patient.name, "not-measured")
            elif patient.end is None or patient.end < patient.start:
                found.refuse(patient.name, "not-followed")
            else:
                own = [event for event in events.get(patient.id, []) if event.term in row.terms]
                _add_events(mine, own, patient, grade, study, scope)
                if mine.possible and mine.first is None:
                    found.undecided.append(patient.name)
                found.observed[patient.name] = _observation(patient, patient.start, mine.first)
    return times


def overall_survival(connection: Connection, study: Study) -> TimeTo:
    """Days from the start of the first course to death, or to the last contact or result."""
    found = TimeTo()
    for patient in _followed(connection, study, Scope("both"), through_later_courses=True):
        if patient.start is None:
            found.refuse(patient.name, "no-radiotherapy-start")
        elif patient.end is None or patient.end < patient.start:
            found.refuse(patient.name, "not-followed")
        else:
            days = (patient.end - patient.start).days
            died = patient.died is not None
            found.observed[patient.name] = Observation(days, "event" if died else "censored")
    return found


def _observation(patient: _Followed, start: date, first: date | None) -> Observation:
    assert patient.end is not None  # asked before
    if first is not None and first <= patient.end:
        return Observation((first - start).days, "event")
    outcome: Literal["competing", "censored"] = (
        "competing" if patient.died == patient.end else "censored"
    )
    return Observation((patient.end - start).days, outcome)


def _laboratory(
    connection: Connection, study: Study, row: TableRow, of: Sequence[int], scope: Scope
) -> dict[int, dict[int, _Reached]]:
    """By grade, what the results of each patient measured after the start say."""
    beyond_window = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
    after = or_(grades.c.phase.in_(("acute", "late")), beyond_window)
    asked = []
    for grade in of:
        certain = and_(grades.c.at_least >= grade, grades.c.worse_than_baseline.is_(True))
        possible = and_(grades.c.at_most >= grade, grades.c.worse_than_baseline.is_not(False))
        asked += [
            func.min(case((certain, grades.c.collected_on))),
            func.max(case((possible, 1), else_=0)),
        ]
    rows = connection.execute(
        select(grades.c.patient_id, *asked)
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
    patient: _Followed,
    grade: int,
    study: Study,
    scope: Scope,
) -> None:
    """Add clinicians' grades, each term against its own last grade by the start."""
    baselines: dict[str, tuple[date, int]] = {}
    later: list[tuple[str, date, int, bool]] = []
    for event in events:
        onset = read_collected(event.onset)
        placement = place(onset, patient.courses, study.rules.window)
        if (placement.course or 0) != scope.course - 1:
            continue
        if placement.phase == "pre_treatment":
            here = (onset.last, event.grade)
            baselines[event.term] = max(baselines.get(event.term, here), here)
        else:
            unplaced = placement.phase == "unknown" and not placement.flags
            later.append((event.term, onset.first, event.grade, not unplaced))
    for term, day, given, placed in later:
        if given >= grade and given > baselines.get(term, (day, 0))[1]:
            reached.possible = True
            if placed:
                reached.first = min(reached.first or day, day)


def _followed(
    connection: Connection, study: Study, scope: Scope, *, through_later_courses: bool = False
) -> Iterator[_Followed]:
    """Every patient of the study who had the course, by name, with the end of follow-up."""
    courses = courses_by_patient(connection, study)
    contacts = contacts_by_patient(connection, study)
    last_results = {row.patient_id: row.last for row in connection.execute(_last_results(study))}
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    for patient_id, name in connection.execute(named.order_by(patients.c.name)):
        mine = courses.get(patient_id, ())
        if scope.course > max(1, len(mine)):
            continue
        course, next_start = reported_course(mine, scope)
        contact = contacts.get(patient_id)
        died = contact.died if contact else None
        seen = [contact.last_contact if contact else None, last_results.get(patient_id)]
        end = died or max((day for day in seen if day), default=None)
        if end and next_start and not through_later_courses:
            end = min(end, next_start)
        yield _Followed(patient_id, name, course.start if course else None, end, died, mine)


def _last_results(study: Study) -> Any:
    return (
        select(grades.c.patient_id, func.max(grades.c.collected_on).label("last"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, grades.c.reason.is_distinct_from("not-final"))
        .group_by(grades.c.patient_id)
    )
