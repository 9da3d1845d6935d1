"""Late toxicity of a stored study: by patient and term, with onset, attribution and recovery."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, or_, select, tuple_

from toxgrade.cohort.definition import Scope
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import Attribution
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course, Phase
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    counted,
    courses_by_patient,
    events_by_patient,
    reported_course,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One graded result or event; ``value`` with its unit as reported, None for an event.

    ``day`` is the first possible day; None for an undated baseline.
    """

    day: date | None
    phase: Phase
    at_least: int
    at_most: int
    value: str | None = None
    attribution: Attribution | None = None


@dataclass(frozen=True, slots=True)
class LateToxicity:
    """One term of one patient that was worse than its own baseline after the acute window.

    ``first`` and ``worst``: the first late visit above baseline and the first at the worst grade.
    ``attribution``: a clinician's, from the last such event; ``unknown`` without one. ``resolved``:
    the first visit after ``worst`` that is certainly not above the baseline; None: there is none.
    ``visits``: all dated acute and late visits, by day.
    """

    patient: str
    term: str
    baseline_grade: int
    radiotherapy_end: date | None
    first: Visit
    worst: Visit
    resolved: Visit | None
    attribution: Attribution
    visits: tuple[Visit, ...]


_Key = tuple[int, str]
"""A patient's row number and a term."""


def late_toxicity(
    connection: Connection, study: Study, edition: Edition, course: int
) -> list[LateToxicity]:
    """Return the late toxicity by patient and term, from results and clinicians' events together.

    A laboratory term needs a baseline; a clinical term without one began at grade 0.
    """
    scope = Scope("late", course)
    courses = courses_by_patient(connection, study)
    names: dict[int, str] = {}
    visits: dict[_Key, list[Visit]] = {}
    for key, name, visit in _event_visits(connection, study, scope, courses):
        names[key[0]] = name
        visits.setdefault(key, []).append(visit)
    for key, name, visit in _result_visits(connection, study, scope, list(visits)):
        names[key[0]] = name
        visits.setdefault(key, []).append(visit)
    laboratory = {term.name for term in edition.terms}
    found = []
    for (patient, term), own in visits.items():
        treated, _ = reported_course(courses.get(patient, ()), scope)
        baseline = _baseline(own, 0 if term not in laboratory else None)
        if treated and baseline and (one := _late(names[patient], term, own, baseline, treated)):
            found.append(one)
    return sorted(found, key=lambda one: (one.patient, one.term))


def _baseline(visits: Iterable[Visit], default: int | None) -> tuple[int, int] | None:
    """Return the lowest and highest possible grade of the baseline; ``default`` without one."""
    before = [visit for visit in visits if visit.phase == "baseline"]
    if not before:
        return None if default is None else (default, default)
    return max(v.at_least for v in before), max(v.at_most for v in before)


def _late(
    name: str, term: str, visits: Sequence[Visit], baseline: tuple[int, int], course: Course
) -> LateToxicity | None:
    """Return the late toxicity of a term; None unless a late grade is certainly above baseline."""
    after = sorted(
        (visit for visit in visits if visit.phase != "baseline" and visit.day),
        key=lambda visit: visit.day or date.min,
    )
    above = [v for v in after if v.phase == "late" and v.at_least > baseline[1]]
    if not above:
        return None
    worst = max(above, key=lambda visit: visit.at_least)  # max takes the first of equals.
    attributed = [v.attribution for v in above if v.attribution]
    following = after[after.index(worst) + 1 :]
    return LateToxicity(
        patient=name,
        term=term,
        baseline_grade=baseline[0],
        radiotherapy_end=course.end,
        first=above[0],
        worst=worst,
        resolved=next((v for v in following if v.at_most <= baseline[0]), None),
        attribution=attributed[-1] if attributed else "unknown",
        visits=tuple(after),
    )


def _result_visits(
    connection: Connection, study: Study, scope: Scope, also: Sequence[_Key]
) -> Iterator[tuple[_Key, str, Visit]]:
    """Yield the graded results of terms with a late grade above baseline, and those of ``also``."""
    late = (
        select(grades.c.patient_id, grades.c.term)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, counted(scope), grades.c.phase == "late")
        .where(grades.c.worse_than_baseline.is_(True))
    )
    key = tuple_(grades.c.patient_id, grades.c.term)
    shown = (grades.c.phase, grades.c.collected_on, grades.c.at_least, grades.c.at_most)
    rows = connection.execute(
        select(
            grades.c.patient_id, patients.c.name, grades.c.term, *shown,
            results.c.value, results.c.unit,
        )
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(counted(scope), or_(key.in_(late), key.in_(also)))
        .where(grades.c.phase.in_(("baseline", "acute", "late")), grades.c.at_least.is_not(None))
        .order_by(grades.c.collected_on, grades.c.id)
    )  # fmt: skip
    for row in rows:
        value = f"{row.value} {row.unit}"
        visit = Visit(row.collected_on, row.phase, row.at_least, row.at_most, value)
        yield (row.patient_id, row.term), row.name, visit


def _event_visits(
    connection: Connection, study: Study, scope: Scope, courses: Mapping[int, tuple[Course, ...]]
) -> Iterator[tuple[_Key, str, Visit]]:
    """Yield clinicians' events of terms with a late event; a resolved one adds a grade 0 visit."""
    for patient, events in events_by_patient(connection, study).items():
        placed = [
            (event, phase)
            for event in events
            if (phase := _phase(event, courses.get(patient, ()), study, scope))
        ]
        late = {event.term for event, phase in placed if phase == "late"}
        before = {term: _baseline_event(placed, term) for term in late}
        for event, phase in placed:
            if event.term not in late or (phase == "baseline" and event is not before[event.term]):
                continue
            day = read_collected(event.onset).first
            key, grade = (patient, event.term), event.grade
            yield key, event.patient, Visit(day, phase, grade, grade, None, event.attribution)
            if event.resolved and phase != "baseline":
                yield key, event.patient, Visit(event.resolved, phase, 0, 0)


def _baseline_event(events: Sequence[tuple[Row[Any], Phase]], term: str) -> Row[Any] | None:
    """Return the last event of a term up to the start of radiotherapy; of one day the worse."""
    before = [event for event, phase in events if phase == "baseline" and event.term == term]
    return max(before, key=lambda e: (read_collected(e.onset).last, e.grade), default=None)


def _phase(
    event: Row[Any], courses: tuple[Course, ...], study: Study, scope: Scope
) -> Phase | None:
    """Return the event's phase in the reported course; None: in another course, or unknown."""
    placement = place(read_collected(event.onset), courses, study.rules.window)
    if (placement.course or 0) != scope.course - 1 or placement.phase == "unknown":
        return None
    return "baseline" if placement.phase == "pre_treatment" else placement.phase
