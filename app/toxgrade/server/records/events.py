"""Clinicians' grades: appended, corrected and withdrawn with their history, like results."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.event import Event
from toxgrade.server.records.current_state import current_follow_up
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import events, patients


def store_event(connection: Connection, patient_id: int, event: Event) -> Row[Any]:
    """The event as it is stored now; sent again with equal content it changes nothing.

    The same event is the one with the same term and ``source_id``, or without one the same onset.

    Raises:
        RequestError: it begins after the patient's death.
    """
    follow_up = current_follow_up(connection, patient_id)
    if follow_up.died and event.onset.first > follow_up.died:
        fault = FieldFault(("onset",), "after-death", "expected a day up to the recorded death")
        raise RequestError("the event begins after the patient's death", [fault])
    key = [event.term.name, event.source_id or "", "" if event.source_id else event.onset.text]
    identity = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    mine = and_(events.c.patient_id == patient_id, events.c.identity == identity)
    newest = select(events).where(mine).order_by(events.c.version.desc()).limit(1)
    before = connection.execute(newest).first()
    sent = {
        "term": event.term.name,
        "grade": event.grade,
        "onset": event.onset.text,
        "resolved": event.resolved,
        "attribution": event.attribution,
        "status": event.status,
        "source_id": event.source_id,
    }
    if before is not None and all(before._mapping[name] == sent[name] for name in sent):
        return before
    place = {
        "patient_id": patient_id,
        "identity": identity,
        "version": before.version + 1 if before else 1,
        "recorded_at": datetime.now(UTC),
    }
    append(connection, events, [sent | place])
    return connection.execute(newest).one()


def current_events(study_id: int, patient_id: int | None = None) -> Select[Any]:
    """A query for the newest version of every event of a study, or of one patient of it, that is
    not withdrawn.
    """
    versions = select(
        events.c.patient_id, events.c.identity, func.max(events.c.version).label("version")
    ).group_by(events.c.patient_id, events.c.identity)
    if patient_id is not None:
        versions = versions.where(events.c.patient_id == patient_id)
    newest = versions.subquery()
    return (
        select(events, patients.c.name.label("patient"))
        .join(patients, events.c.patient_id == patients.c.id)
        .join(
            newest,
            and_(
                events.c.patient_id == newest.c.patient_id,
                events.c.identity == newest.c.identity,
                events.c.version == newest.c.version,
            ),
        )
        .where(patients.c.study_id == study_id, events.c.status == "final")
        .order_by(events.c.id)
    )


def list_events(connection: Connection, patient_id: int) -> Sequence[Row[Any]]:
    """Every version of a patient's events, in the order in which they were recorded."""
    mine = select(events).where(events.c.patient_id == patient_id).order_by(events.c.id)
    return connection.execute(mine).all()
