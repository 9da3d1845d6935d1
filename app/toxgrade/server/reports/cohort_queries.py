"""Queries of a study's patients, each with the highest grades per term and phase.

The database computes the maxima (``GROUP BY``); memory holds one patient at a time, besides the
study's clinical events, courses and follow-ups.
"""

import json
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.worst import Bounds, CohortPatient, highest
from toxgrade.errors import Conflict
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import FollowUp, read_courses
from toxgrade.server.records.db.tables import follow_ups, grades, patients, treatments
from toxgrade.server.records.patient_record import current_events
from toxgrade.server.records.studies import Study

_PHASES = ("baseline", "acute", "late")


def cohort(connection: Connection, study: Study, scope: Scope) -> Iterator[CohortPatient]:
    """Yield every patient of a study who had the course, by name.

    The baseline of a later course may be a result of the course before, which has another phase
    there; so it is taken from the grades that were compared with it.

    Raises:
        Conflict: the study holds grades of another edition than its rules name.
    """
    events = events_by_patient(connection, study)
    courses = courses_by_patient(connection, study)
    contacts = contacts_by_patient(connection, study)
    streamed = connection.execution_options(yield_per=2000).execute(_highest_grades(study, scope))
    with streamed as rows:
        for (patient_id, name), maxima in groupby(rows, lambda row: (row.id, row.name)):
            windows: dict[str, dict[str, Bounds]] = {phase: {} for phase in _PHASES}
            days: list[date] = []
            for row in maxima:
                if row.phase in windows:
                    bounds = Bounds(row.at_least, row.at_most, bool(row.decided))
                    windows[row.phase][row.term] = bounds
                if scope.course > 1 and row.baseline_grade is not None:
                    baseline = Bounds(row.baseline_grade, row.baseline_grade, decided=True)
                    windows["baseline"].setdefault(row.term, baseline)
                if row.last_day:
                    days.append(row.last_day)
                if row.other_edition:
                    raise Conflict(
                        f"the study holds grades of another edition than {study.rules.edition}: a"
                        " report would mix them; regrade it (toxgrade regrade)"
                    )
            own = courses.get(patient_id, ())
            if scope.course > max(1, len(own)):
                continue
            _add_events(windows, events.get(patient_id, []), own, study, scope)
            seen_until = contacts.get(patient_id, FollowUp()).last_contact or max(
                days, default=None
            )
            yield CohortPatient(name, windows, *reported_course(own, scope), seen_until)


def reported_course(courses: tuple[Course, ...], scope: Scope) -> tuple[Course | None, date | None]:
    """Return the course that a report is about, and the start of the next one, which ends it."""
    course, later = courses[scope.course - 1 : scope.course], courses[scope.course :]
    return course[0] if course else None, later[0].start if later else None


def counted(scope: Scope) -> ColumnElement[bool]:
    """Return the condition of grades that a report counts: current, final, of its course."""
    later = grades.alias("later")
    of_course = grades.c.course == scope.course - 1
    return and_(
        grades.c.term.is_not(None),
        or_(grades.c.course.is_(None), of_course) if scope.course == 1 else of_course,
        grades.c.reason.is_distinct_from("not-final"),
        ~exists().where(later.c.supersedes_id == grades.c.id),
    )


def _highest_grades(study: Study, scope: Scope) -> Any:
    """Return a query for the maxima of all counted grades; one row for a patient without any."""
    condition = and_(patients.c.study_id == study.id, counted(scope))
    if not scope.on_treatment:
        after = or_(grades.c.phase != "acute", grades.c.on_treatment.is_(False))
        condition = and_(condition, after)
    decided = case((grades.c.at_least == grades.c.at_most, 1), else_=0)
    other_edition = case((grades.c.edition != study.rules.edition, 1), else_=0)
    # Names are joined to the maxima: SQLite sorts 500,000 grades in 0.64 s, with names in 0.75 s.
    highest_of = (
        select(
            grades.c.patient_id,
            grades.c.phase,
            grades.c.term,
            func.max(grades.c.at_least).label("at_least"),
            func.max(grades.c.at_most).label("at_most"),
            func.max(decided).label("decided"),
            func.max(grades.c.collected_on).label("last_day"),
            func.max(other_edition).label("other_edition"),
            func.max(grades.c.baseline_grade).label("baseline_grade"),
        )
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(condition)
        .group_by(grades.c.patient_id, grades.c.phase, grades.c.term)
        .subquery()
    )
    return (
        select(patients.c.id, patients.c.name, highest_of)
        .outerjoin(highest_of, highest_of.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id)
        .order_by(patients.c.name)
    )


def _add_events(
    windows: dict[str, dict[str, Bounds]],
    events: list[Row[Any]],
    courses: tuple[Course, ...],
    study: Study,
    scope: Scope,
) -> None:
    """Add clinicians' grades; the baseline is the last one up to the start of the course."""
    baselines: dict[str, tuple[date, int]] = {}
    for event in events:
        onset = read_collected(event.onset)
        placement = place(onset, courses, study.rules.window)
        if (placement.course or 0) != scope.course - 1:
            continue
        phase = placement.phase
        if phase == "acute" and not scope.on_treatment and placement.on_treatment is not False:
            continue
        if phase == "pre_treatment":
            dated = (onset.last, event.grade)
            baselines[event.term] = max(baselines.get(event.term, dated), dated)
        elif phase in windows:
            _add_bounds(windows[phase], event.term, Bounds(event.grade, event.grade, decided=True))
        else:  # An event of unknown phase is possible in every window and certain in none.
            for window in windows.values():
                _add_bounds(window, event.term, Bounds(0, event.grade, decided=False))
    for term, (_, grade) in baselines.items():
        _add_bounds(windows["baseline"], term, Bounds(grade, grade, decided=True))


def _add_bounds(window: dict[str, Bounds], term: str, clinical: Bounds) -> None:
    known = window.get(term)
    window[term] = highest([known, clinical] if known else [clinical]) or clinical


def events_by_patient(connection: Connection, study: Study) -> dict[int, list[Row[Any]]]:
    """Return the current clinical events of a study by the patient's row number."""
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(current_events(study.id)):
        found.setdefault(row.patient_id, []).append(row)
    return found


def courses_by_patient(connection: Connection, study: Study) -> dict[int, tuple[Course, ...]]:
    """Return every patient's courses as last recorded, by the patient's row number."""
    rows = connection.execute(
        select(treatments.c.patient_id, treatments.c.courses)
        .join(patients, treatments.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id)
        .order_by(treatments.c.id)
    )
    return {row.patient_id: read_courses(json.loads(row.courses)) for row in rows}


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
