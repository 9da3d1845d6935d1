"""The visits of patients in terms that may be late toxicity: graded results, clinicians' events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, and_, or_, select

from toxgrade.cohort.clinical_events import (
    ClinicalEvent,
    PlacedEvent,
    by_term,
    clinical_baseline,
    place_events,
)
from toxgrade.cohort.worst import Bounds, highest
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import Attribution
from toxgrade.grading.phase import belongs, place
from toxgrade.grading.result import Collected, Phase
from toxgrade.grading.summary import worse
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import contacts_by_patient, events_by_patient
from toxgrade.server.reports.placed_results import (
    AFTER_START,
    Courses,
    laboratory_baselines,
    placed_results,
)

Key = tuple[int, str]
"""A patient's row number and a term."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One graded result or event; ``value`` with its unit as reported, None for an event.

    ``day`` is the first possible day; None: undated. ``worse``: than the baseline. ``late``: in the
    late phase of the course. Both None: not known. ``persistent``: an event that began in the acute
    phase and lasted, or may have lasted, into the late one.
    """

    day: date | None
    phase: Phase
    at_least: int
    at_most: int
    worse: bool | None
    late: bool | None
    value: str | None = None
    attribution: Attribution | None = None
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class Visits:
    """The visits that are or may be after the start of a course, and the baselines, by term.

    ``visits`` has no order. A term without a baseline is left out of ``baselines``.
    """

    visits: Mapping[Key, list[Visit]]
    baselines: Mapping[Key, Bounds]


def read_visits(
    connection: Connection, study: Study, edition: Edition, courses: Courses, course: int
) -> Visits:
    """Return the visits of the terms that may be late (course: its index) and worse than baseline.

    A laboratory term needs a baseline; a clinical term without one began at grade 0.
    """
    laboratory = [term.name for term in edition.terms]
    events = {
        (patient, term): own
        for patient, recorded in events_by_patient(connection, study).items()
        for term, own in by_term(recorded).items()
    }
    baselines = laboratory_baselines(connection, study, course, laboratory)
    for (patient, term), own in events.items():
        treated = courses.get(patient, ())[course : course + 1]
        known = (
            baselines.get((patient, term)),
            clinical_baseline(own, treated[0] if treated else None),
            None if term in laboratory else Bounds(0, 0, decided=True),
        )
        if baseline := highest(bounds for bounds in known if bounds):
            baselines[patient, term] = baseline
    visits: dict[Key, list[Visit]] = {}
    for key, visit in _event_visits(connection, study, events, courses, course, baselines):
        visits.setdefault(key, []).append(visit)
    also = {term for _, term in events} & set(laboratory)
    keys = _may_be_late(connection, study, also)
    wanted = and_(grades.c.phase != "baseline", grades.c.term.in_({term for _, term in keys}))
    for one in placed_results(connection, study, courses, course, wanted, keys):
        if belongs(one.places, course, AFTER_START) is not False:
            late = belongs(one.places, course, ("late",))
            visit = Visit(
                one.first, one.phase, one.at_least, one.at_most, one.worse,
                late if one.is_likely or late is False else None, one.value,
            )  # fmt: skip
            visits.setdefault((one.patient_id, one.term), []).append(visit)
    return Visits(visits, baselines)


def _may_be_late(connection: Connection, study: Study, also: set[str]) -> set[Key]:
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


def _event_visits(
    connection: Connection,
    study: Study,
    events: Mapping[Key, list[ClinicalEvent]],
    courses: Courses,
    course: int,
    baselines: Mapping[Key, Bounds],
) -> Iterator[tuple[Key, Visit]]:
    """Yield the events after the start; one that resolved in the course adds a visit of grade 0."""
    window, contacts = study.rules.window, contacts_by_patient(connection, study)
    for key, own in events.items():
        treated, contact = courses.get(key[0], ()), contacts.get(key[0])
        died = contact.died if contact else None
        for placed in place_events(own, treated, course, window, died):
            if placed.counts(AFTER_START) is False:
                continue
            event = placed.event
            yield (
                key,
                _event_visit(placed, place(event.onset, treated, window).phase, baselines.get(key)),
            )
            if event.resolved:
                day = Collected("", event.resolved, event.resolved)
                at = place(day, treated, window)
                if (at.course or 0) == course:
                    late = {"late": True, "unknown": None}.get(at.phase, False)
                    yield key, Visit(event.resolved, at.phase, 0, 0, False, late)


def _event_visit(placed: PlacedEvent, phase: Phase, baseline: Bounds | None) -> Visit:
    event = placed.event
    is_worse = worse(event.grade, event.grade, baseline) if baseline else None
    late = placed.late if placed.is_likely or placed.late is False else None
    return Visit(
        event.onset.first, phase, event.grade, event.grade, is_worse, late,
        attribution=event.attribution, persistent=placed.persistent,
    )  # fmt: skip
