"""Routes of events: clinicians' grades of CTCAE terms, such as nausea."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import Field, Strict, StrictBool
from sqlalchemy import Connection, Row

from toxgrade.criteria.vocabulary import stored_term
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.event import Attribution, Event, EventStatus, term_to_grade
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course
from toxgrade.server.api.fields import (
    CollectedAt,
    Day,
    Name,
    PatientName,
    RequestModel,
    StudyName,
    Text,
)
from toxgrade.server.api.requests import AS_WHOLE
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.patient_record import list_events, store_event
from toxgrade.server.records.patients import find_patient, lock_patient
from toxgrade.server.records.studies import Study, find_study

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}/events",
    tags=["patients"],
    route_class=JsonRoute,
)


class EventRequest(RequestModel):
    """A clinician's grade; sent again with other content it corrects the earlier version."""

    term: Name = Field(description="A CTCAE term, or a label such as liver pain.")
    grade: Annotated[int, Strict(), Field(ge=0, le=5), AS_WHOLE] = Field(
        description="0: absent, resolved."
    )
    onset: CollectedAt = Field(description="The day from which on the grade holds.")
    resolved: Day = None
    ongoing: StrictBool | None = Field(None, description="true: declared to go on.")
    attribution: Attribution = Field("unknown", description="To radiotherapy.")
    status: EventStatus = Field("final", description="entered-in-error withdraws the event.")
    source_id: Text | None = None

    def event(self, study: Study, service: Service) -> Event:
        """Return the event, with its term as the study's edition names it.

        Raises:
            RequestError: there is no onset or one after ``resolved``, the event is both ongoing and
                resolved, or there is no such term or grade.
        """
        if self.onset is None:
            fault = FieldFault(("onset",), "missing", "required: the day of onset")
            raise RequestError("an event needs its onset", [fault])
        if self.resolved and self.resolved < self.onset.first:
            fault = FieldFault(("resolved",), "resolved-before-onset", "expected onset or later")
            raise RequestError("the event ends before it begins", [fault])
        if self.resolved and self.ongoing:
            text = "an ongoing event has not resolved: send one of the two"
            fault = FieldFault(("ongoing",), "resolved-and-ongoing", text)
            raise RequestError("the event is both resolved and ongoing", [fault])
        term = term_to_grade(service.vocabularies[study.rules.edition], self.term, self.grade)
        return Event(
            term=term,
            grade=self.grade,
            onset=self.onset,
            resolved=self.resolved,
            ongoing=bool(self.ongoing),
            attribution=self.attribution,
            status=self.status,
            source_id=self.source_id or None,
        )


_EXAMPLE = {"term": "Nausea", "grade": 2, "onset": "2006-05-14", "attribution": "unknown"}


@router.post(
    "", status_code=201, summary="Store a clinician's grade", dependencies=[require_role("writer")]
)
async def post(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[EventRequest, Body(openapi_examples={"event": {"value": _EXAMPLE}})],
) -> Response:
    """Store a grade of a term that has it, or 0; durable before the answer."""

    def save(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        event = asked.event(found, service)
        patient_id = lock_patient(connection, found, patient).id
        row = store_event(connection, patient_id, event)
        courses = current_courses(connection, patient_id)
        return {"study": study, "patient": patient} | _answer(row, courses, found, service)

    return await service.store(save)


@router.get(
    "",
    summary="A patient's clinical events with their history",
    dependencies=[require_role("reader")],
)
async def events(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> dict[str, Any]:
    """Every version of every event, in the order in which they were recorded; ``next`` is the
    cursor of the following page.
    """

    def query(connection: Connection) -> list[dict[str, Any]]:
        found = find_study(connection, study)
        patient_id = find_patient(connection, found, patient)
        courses = current_courses(connection, patient_id)
        rows = list_events(connection, patient_id, limit + 1, cursor)
        return [_answer(row, courses, found, service) for row in rows]

    found = await service.read(query)
    following = found[limit - 1]["id"] if len(found) > limit else None
    return {"events": found[:limit], "next": following}


def _answer(
    row: Row[Any], courses: Sequence[Course], study: Study, service: Service
) -> dict[str, Any]:
    term = stored_term(service.vocabularies, study.rules.edition, row.term)
    placement = place(read_collected(row.onset), courses, study.rules.window)
    return {
        "id": row.id,
        "term": term.name,
        "meddra": term.meddra,
        "soc": term.soc,
        "grade": row.grade,
        "onset": row.onset,
        "resolved": row.resolved.isoformat() if row.resolved else None,
        "ongoing": bool(row.ongoing),
        "attribution": row.attribution,
        "status": row.status,
        "source_id": row.source_id,
        "version": row.version,
        "phase": placement.phase,
        "on_treatment": placement.on_treatment,
        "days_from_end": placement.days_from_end,
    }
