"""A patient's courses, follow-up, sex, birth year and clinical events, recorded and read back."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from sqlalchemy import Connection, Row, Select, and_, select

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.event import Event
from toxgrade.grading.reference_ranges import Sex
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Graders
from toxgrade.server.records.current_state import (
    FollowUp,
    current_courses,
    current_follow_up,
    save_follow_up,
)
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.newest import is_newest_version
from toxgrade.server.records.db.tables import events, patients
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import locked_basis
from toxgrade.server.records.patients import lock_patient, save_courses
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import lock_study
from toxgrade.server.records.study_ranges import current_person, save_person


class PersonFields(TypedDict, total=False):
    """The fields of ``Person`` that were sent; a missing field stays unchanged."""

    sex: Sex | None
    birth_year: int | None


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What is recorded of a patient besides results; None in what is sent changes nothing."""

    courses: tuple[Course, ...] | None
    follow_up: FollowUp | None
    person: PersonFields = field(default_factory=PersonFields)


_IS_CURRENT = and_(events.c.status == "final", is_newest_version(events))


def put_patient(
    transaction: Transaction, study_name: str, name: str, sent: PatientRecord, graders: Graders
) -> PatientRecord:
    """Record courses, follow-up, sex and birth year, and grade again what these change.

    A death may be recorded after results that are dated later: those are flagged.

    Raises:
        NotFound: there is no such study.
        RequestError: the name cannot be used.
    """
    study = lock_study(transaction, study_name)
    patient_id = lock_patient(transaction, study, name).id
    connection = transaction.read()
    old_courses = current_courses(connection, patient_id)
    old_person = current_person(connection, patient_id)
    old_follow_up = current_follow_up(connection, patient_id)
    person = replace(old_person, **sent.person)
    follow_up = sent.follow_up or old_follow_up
    courses = save_courses(transaction, patient_id, sent.courses, old_courses)
    save_person(transaction, patient_id, person, old_person)
    save_follow_up(transaction, patient_id, follow_up, old_follow_up)
    if (courses, person, follow_up.died) != (old_courses, old_person, old_follow_up.died):
        regrade(transaction, patient_id, locked_basis(transaction, study, graders))
    recorded = PersonFields(sex=person.sex, birth_year=person.birth_year)
    return PatientRecord(courses, follow_up, recorded)


def current_record(connection: Connection, patient_id: int) -> PatientRecord:
    """Return what is recorded of a patient now."""
    person = current_person(connection, patient_id)
    return PatientRecord(
        current_courses(connection, patient_id),
        current_follow_up(connection, patient_id),
        {"sex": person.sex, "birth_year": person.birth_year},
    )


def store_event(transaction: Transaction, patient_id: int, event: Event) -> Row[Any]:
    """Store an event and return its row; equal content sent again changes nothing.

    Two events are the same if their term and ``source_id`` are equal, or, without a ``source_id``,
    their term and onset.

    Raises:
        RequestError: the event begins after the patient's death.
    """
    died = current_follow_up(transaction.read(), patient_id).died
    if died and event.onset.first > died and event.status == "final":
        fault = FieldFault(("onset",), "after-death", "expected a day up to the recorded death")
        raise RequestError("the event begins after the patient's death", [fault])
    key = [event.term.name, event.source_id or "", "" if event.source_id else event.onset.text]
    identity = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    same_event = and_(events.c.patient_id == patient_id, events.c.identity == identity)
    newest = select(events).where(same_event).order_by(events.c.version.desc()).limit(1)
    before = transaction.read().execute(newest).first()
    content = {
        "term": event.term.name,
        "grade": event.grade,
        "onset": event.onset.text,
        "resolved": event.resolved,
        "ongoing": event.ongoing or None,
        "attribution": event.attribution,
        "status": event.status,
        "source_id": event.source_id,
    }
    if before is not None and all(before._mapping[name] == content[name] for name in content):
        return before
    row = {
        "patient_id": patient_id,
        "identity": identity,
        "version": before.version + 1 if before else 1,
        "recorded_at": transaction.runtime.now(),
    }
    append(transaction, events, [content | row])
    return transaction.read().execute(newest).one()


def current_events(study_id: int) -> Select[Any]:
    """Return a query for a study's events: newest versions, without withdrawn ones."""
    of_study = events.join(patients, events.c.patient_id == patients.c.id)
    return (
        select(events, patients.c.name.label("patient"))
        .select_from(of_study)
        .where(patients.c.study_id == study_id, _IS_CURRENT)
        .order_by(events.c.id)
    )


def events_of_patient(patient_id: int) -> Select[Any]:
    """Return a query for a patient's events: newest versions, without withdrawn ones."""
    of_patient = select(events).where(events.c.patient_id == patient_id, _IS_CURRENT)
    return of_patient.order_by(events.c.id)


def list_events(
    connection: Connection, patient_id: int, limit: int | None = None, after: int = 0
) -> Sequence[Row[Any]]:
    """Return every version of a patient's events, in the order in which they were recorded.

    ``limit``: only so many (None: all), of those after the one with the id ``after``.
    """
    of_patient = select(events).where(events.c.patient_id == patient_id, events.c.id > after)
    return connection.execute(of_patient.order_by(events.c.id).limit(limit)).all()
