"""A study's patients one after another, each with the highest grades per term and window.

The database takes the maxima (``GROUP BY``); no more than one patient and the study's clinical
events, courses and follow-ups are held at a time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, and_, case, exists, func, or_, select

from app.cohort.worst import Bounds, Windows, highest
from app.grading.dates import read_collected
from app.grading.phase import place
from app.grading.result import Course
from app.records.events import current_events
from app.records.history import read_courses
from app.records.studies import Study
from app.records.tables import follow_ups, grades, patients, treatments

_PHASES = ("baseline", "acute", "late")


@dataclass(frozen=True, slots=True)
class CohortPatient:
    """One patient over the first course: bounds by phase and term, and how long it was followed.

    ``seen_until`` is the last contact, or without one the last result; None: neither is known.
    """

    name: str
    windows: Windows
    courses: tuple[Course, ...]
    seen_until: date | None


def cohort(connection: Connection, study: Study) -> Iterator[CohortPatient]:
    """Every patient of a study, by name."""
    events = _events_by_patient(connection, study)
    courses = _courses_by_patient(connection, study)
    contacts = _contacts_by_patient(connection, study)
    rows = connection.execution_options(yield_per=2000).execute(_highest_grades(study))
    for (patient_id, name), found in groupby(rows, lambda row: (row.patient_id, row.name)):
        windows: dict[str, dict[str, Bounds]] = {phase: {} for phase in _PHASES}
        days: list[date] = []
        for row in found:
            if row.phase in windows:
                bounds = Bounds(row.at_least, row.at_most, bool(row.decided))
                windows[row.phase][row.term] = bounds
            if row.last_day:
                days.append(row.last_day)
        mine = courses.get(patient_id, ())
        _add_events(windows, events.get(patient_id, []), mine, study)
        seen_until = contacts.get(patient_id) or max(days, default=None)
        yield CohortPatient(name, windows, mine, seen_until)


def _highest_grades(study: Study) -> Any:
    """The maxima of all current grades of the first course; one row for a patient without any."""
    later = grades.alias("later")
    counted = and_(
        grades.c.patient_id == patients.c.id,
        grades.c.term.is_not(None),
        or_(grades.c.course.is_(None), grades.c.course == 0),
        grades.c.reason.is_distinct_from("not-final"),
        ~exists().where(later.c.supersedes_id == grades.c.id),
    )
    decided = case((grades.c.at_least == grades.c.at_most, 1), else_=0)
    return (
        select(
            patients.c.id.label("patient_id"),
            patients.c.name,
            grades.c.phase,
            grades.c.term,
            func.max(grades.c.at_least).label("at_least"),
            func.max(grades.c.at_most).label("at_most"),
            func.max(decided).label("decided"),
            func.max(grades.c.collected_on).label("last_day"),
        )
        .select_from(patients)
        .outerjoin(grades, counted)
        .where(patients.c.study_id == study.id)
        .group_by(patients.c.id, patients.c.name, grades.c.phase, grades.c.term)
        .order_by(patients.c.name)
    )


def _add_events(
    windows: dict[str, dict[str, Bounds]],
    events: list[Row[Any]],
    courses: tuple[Course, ...],
    study: Study,
) -> None:
    """Add clinicians' grades; the baseline is the last one by the start of the first course."""
    baselines: dict[str, tuple[date, int]] = {}
    for event in events:
        onset = read_collected(event.onset)
        placement = place(onset, courses, study.rules.window)
        if placement.course:
            continue
        phase = placement.phase
        if phase == "pre_treatment":
            here = (onset.last, event.grade)
            baselines[event.term] = max(baselines.get(event.term, here), here)
        elif phase in windows:
            _raise(windows[phase], event.term, Bounds(event.grade, event.grade, decided=True))
        else:  # it may lie in any window: nowhere certain, everywhere possible
            for window in windows.values():
                _raise(window, event.term, Bounds(0, event.grade, decided=False))
    for term, (_, grade) in baselines.items():
        _raise(windows["baseline"], term, Bounds(grade, grade, decided=True))


def _raise(window: dict[str, Bounds], term: str, clinical: Bounds) -> None:
    known = window.get(term)
    window[term] = highest([known, clinical] if known else [clinical]) or clinical


def _events_by_patient(connection: Connection, study: Study) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(current_events(study.id)):
        found.setdefault(row.patient_id, []).append(row)
    return found


def _courses_by_patient(connection: Connection, study: Study) -> dict[int, tuple[Course, ...]]:
    rows = connection.execute(
        select(treatments.c.patient_id, treatments.c.courses)
        .join(patients, treatments.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id)
        .order_by(treatments.c.id)
    )
    return {row.patient_id: read_courses(json.loads(row.courses)) for row in rows}


def _contacts_by_patient(connection: Connection, study: Study) -> dict[int, date | None]:
    rows = connection.execute(
        select(follow_ups.c.patient_id, follow_ups.c.last_contact)
        .join(patients, follow_ups.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, follow_ups.c.last_contact.is_not(None))
        .order_by(follow_ups.c.id)
    )
    return {row.patient_id: row.last_contact for row in rows}
