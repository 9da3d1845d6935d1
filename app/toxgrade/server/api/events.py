"""Routes of events: clinicians' grades of CTCAE terms, such as nausea."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import Field, Strict, StrictBool
from sqlalchemy import Connection, Row

from toxgrade.cohort.described import answer, described
from toxgrade.criteria.vocabulary import stored_term
from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.event import Attribution, Event, EventStatus, term_to_grade
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import place
from toxgrade.grading.result import Course, Phase
from toxgrade.server.api.fields import (
    CollectedAt,
    Day,
    Name,
    PatientName,
    RequestModel,
    StudyName,
    Text,
)
from toxgrade.server.api.patient_answers import OfPatient
from toxgrade.server.api.requests import AS_WHOLE
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.document import NEXT
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.db.transaction import Transaction
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
    resolved: Day = Field(None, description="The last day on which it holds; null: not known.")
    ongoing: StrictBool | None = Field(None, description="true: declared to go on.")
    attribution: Attribution = Field("unknown", description="To radiotherapy.")
    status: EventStatus = Field("final", description="entered-in-error withdraws the event.")
    source_id: Text | None = Field(None, description="The sender's own number; null: none.")

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


@answer
class EventAnswer:
    """A version of a clinician's grade, placed in time like a laboratory result."""

    id: int = described("The number of the version.", 7)
    term: str = described("The term, as the study's edition names it.", "Nausea")
    meddra: str = described("Its MedDRA code.", "10028813")
    soc: str = described("Its system organ class.", "Gastrointestinal disorders")
    grade: int = described("0 to 5; 0: absent, resolved.", 2)
    onset: str = described("When it began, as sent: may be a month or a year.", "2006-05-14")
    resolved: date | None = described("The day of its end; null: not known.", None)
    ongoing: bool = described("Whether it is declared to go on.", False)
    attribution: Attribution = described("To radiotherapy.", "unknown")
    status: EventStatus = described("`entered-in-error`: withdrawn.", "final")
    source_id: str | None = described("The sender's own number; null: none.", None)
    version: int = described("1 for the first that was recorded of the event.", 1)
    phase: Phase = described("Where the onset lies.", "acute")
    on_treatment: bool | None = described("During a course; null: the dates do not decide.", False)
    days_from_end: int | None = described(
        "Days since the end of radiotherapy, negative before; null: the dates do not decide.", 45
    )


@answer
class StoredEventAnswer(EventAnswer, OfPatient):
    """The event as it was stored."""


@answer
class EventPage:
    """A page of the versions of a patient's events."""

    events: Sequence[EventAnswer] = described("In the order of recording.")
    next: int | None = described(NEXT, None)


_EXAMPLE = {"term": "Nausea", "grade": 2, "onset": "2006-05-14", "attribution": "unknown"}


@router.post(
    "",
    status_code=201,
    response_model=StoredEventAnswer,
    summary="Store a clinician's grade",
    dependencies=[require_role("writer")],
)
async def post_event(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[EventRequest, Body(openapi_examples={"event": {"value": _EXAMPLE}})],
) -> Response:
    """Store a grade of a term that has it, or 0; durable before the answer."""

    def save(transaction: Transaction) -> StoredEventAnswer:
        found = find_study(transaction.read(), study)
        event = asked.event(found, service)
        patient_id = lock_patient(transaction, found, patient).id
        row = store_event(transaction, patient_id, event)
        courses = current_courses(transaction.read(), patient_id)
        event_now = _answer(row, courses, found, service)
        return StoredEventAnswer(study=study, patient=patient, **vars(event_now))

    return await service.store(save)


@router.get(
    "",
    summary="A patient's clinical events with their history",
    dependencies=[require_role("reader")],
)
async def get_events(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> EventPage:
    """Every version of every event, in the order in which they were recorded; ``next`` is the
    cursor of the following page.
    """

    def query(connection: Connection) -> list[EventAnswer]:
        found = find_study(connection, study)
        patient_id = find_patient(connection, found, patient)
        courses = current_courses(connection, patient_id)
        rows = list_events(connection, patient_id, limit + 1, cursor)
        return [_answer(row, courses, found, service) for row in rows]

    found = await service.read(query)
    return EventPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _answer(
    row: Row[Any], courses: Sequence[Course], study: Study, service: Service
) -> EventAnswer:
    term = stored_term(service.vocabularies, study.rules.edition, row.term)
    placement = place(read_collected(row.onset), courses, study.rules.window)
    return EventAnswer(
        id=row.id,
        term=term.name,
        meddra=term.meddra,
        soc=term.soc,
        grade=row.grade,
        onset=row.onset,
        resolved=row.resolved,
        ongoing=bool(row.ongoing),
        attribution=row.attribution,
        status=row.status,
        source_id=row.source_id,
        version=row.version,
        phase=placement.phase,
        on_treatment=placement.on_treatment,
        days_from_end=placement.days_from_end,
    )
