"""The page of one patient: the timeline, worst grades by term, every grade with its reason."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, Row, func, select

from toxgrade.grading.result import Course
from toxgrade.grading.summary import TermSummary
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import TheService
from toxgrade.server.records.current_state import FollowUp, current_follow_up, current_grades
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.grade_queries import patient_toxicity
from toxgrade.server.records.patient_record import list_events
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study, find_study
from toxgrade.server.web.charts.chart import Picture
from toxgrade.server.web.charts.gallery import Gallery
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)

PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class _Found:
    """What the page shows; ``grades`` are those of one page, the newest first."""

    study: Study
    picture: Picture
    courses: tuple[Course, ...]
    follow_up: FollowUp
    summary: list[TermSummary]
    events: list[Row[Any]]
    n_grades: int
    grades: list[Row[Any]]


@router.get("/studies/{study}/patients/{patient}")
async def one_patient(
    service: TheService,
    study: str,
    patient: str,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> HTMLResponse:
    """One patient of a study."""

    def query(connection: Connection) -> _Found:
        found = find_study(connection, study)
        patient_id = find_patient(connection, found, patient)
        courses, summary = patient_toxicity(connection, study, patient)
        mine = current_grades(patient_id)
        n = connection.scalar(select(func.count()).select_from(mine.subquery()))
        newest = mine.order_by(grades.c.collected_on.desc().nulls_last(), grades.c.id.desc())
        shown = newest.limit(PER_PAGE).offset((number - 1) * PER_PAGE)
        versions = {event.identity: event for event in list_events(connection, patient_id)}
        gallery = Gallery(service.graders, service.vocabularies)
        return _Found(
            found,
            gallery.patient(connection, found, patient),
            courses,
            current_follow_up(connection, patient_id),
            summary,
            [event for event in versions.values() if event.status == "final"],
            n or 0,
            list(connection.execute(shown)),
        )

    found = await service.read(query)
    return page(
        "patient.html",
        patient=patient,
        found=found,
        study=found.study,
        number=number,
        pages=-(-found.n_grades // PER_PAGE),
    )
