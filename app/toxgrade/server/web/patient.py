"""The page of one patient, and the charts of studies and patients as pages and files."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import AliasChoices
from sqlalchemy import Connection, Row, func, select
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.cohort.definition import By, ReportPhase
from toxgrade.cohort.liver_report import LiverReport
from toxgrade.errors import NotFound, TooLarge
from toxgrade.grading.fields import GradeRow
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.jobs.begun_patients import storing_batch
from toxgrade.server.records.current_state import (
    MOST_READ,
    FollowUp,
    current_follow_up,
    current_grades,
    read_grade,
    refuse_many,
)
from toxgrade.server.records.db.tables import grades
from toxgrade.server.records.grade_queries import PatientToxicity, patient_toxicity
from toxgrade.server.records.patient_record import list_events
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study, count_patients, find_study
from toxgrade.server.web.charts.chart import MEDIA, Chart, Kind
from toxgrade.server.web.charts.gallery import Gallery
from toxgrade.server.web.charts.over_time import PATIENTS_PER_CHART
from toxgrade.server.web.charts.registry import (
    NAMES,
    STUDY_CHARTS,
    WIDTH,
    ChartRequest,
    Name,
)
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)

PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class _Found:
    """What the page of a patient shows; ``grades`` are those of one page, the newest first.

    ``storing``: the batch that has stored a part of the patient's results, and not yet the rest.
    ``picture`` None: there are more results than one can show.
    """

    study: Study
    picture: Chart | None
    toxicity: PatientToxicity
    follow_up: FollowUp
    events: list[Row[tuple[object, ...]]]
    n_grades: int
    grades: list[GradeRow]
    liver: LiverReport
    storing: str | None


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
        refuse_many(connection, patient_id, MOST_READ)
        current = current_grades(patient_id)
        n = connection.scalar(select(func.count()).select_from(current.subquery()))
        newest = current.order_by(grades.c.collected_on.desc().nulls_last(), grades.c.id.desc())
        shown = newest.limit(PER_PAGE).offset((number - 1) * PER_PAGE)
        versions = {event.identity: event for event in list_events(connection, patient_id)}
        picture, grader = None, service.graders.for_rules(found.rules)
        with suppress(TooLarge):
            gallery = Gallery(service.graders, service.vocabularies)
            picture = gallery.patient(connection, found, patient)
        return _Found(
            found,
            picture,
            patient_toxicity(connection, study, patient),
            current_follow_up(connection, patient_id),
            [event for event in versions.values() if event.status == "final"],
            n or 0,
            [read_grade(row) for row in connection.execute(shown)],
            service.liver_reports.report(connection, found, patient, grader),
            storing_batch(connection, study, patient),
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


def _chart_request(
    phase: ReportPhase = "acute",
    term: Annotated[str, Query(max_length=200, validation_alias=AliasChoices("term", "row"))] = "",
    min_grade: Annotated[
        int, Query(ge=1, le=5, validation_alias=AliasChoices("min_grade", "grade"))
    ] = 2,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
    width: Annotated[int, Query(ge=280, le=1600)] = WIDTH,
    by: By = "uln",
) -> ChartRequest:
    return ChartRequest(phase, term or None, min_grade, number, width, by)


@router.get("/studies/{study}/pictures/{file}")
async def study_picture(
    request: Request,
    service: TheService,
    study: str,
    file: str,
    asked: Annotated[ChartRequest, Depends(_chart_request)],
) -> Response:
    """A picture of a study: ``edish`` is a page, ``edish.svg`` the file."""
    gallery = Gallery(service.graders, service.vocabularies)
    kind, stem = _kind(request, file)
    name = next((name for name in NAMES if name == stem), None)
    if name is None:
        raise NotFound(f"there is no such picture; there are {', '.join(NAMES)}")
    if kind is None:
        return await _chart_page(service, gallery, study, name, asked)

    def query(connection: Connection) -> Chart:
        return gallery.study(connection, find_study(connection, study), name, asked)

    found = await service.read(query, is_costly=True)
    return await _chart_file(service, found, kind, request)


@router.get("/studies/{study}/patients/{patient}/{file}")
async def patient_picture(
    request: Request,
    service: TheService,
    study: str,
    patient: str,
    file: str,
    asked: Annotated[ChartRequest, Depends(_chart_request)],
) -> Response:
    """The timeline of a patient: ``timeline.svg``, or ``timeline`` by ``Accept``."""
    kind, stem = _kind(request, file)
    if stem != "timeline":
        raise NotFound("there is no such picture; there is timeline")

    def query(connection: Connection) -> Chart:
        found = find_study(connection, study)
        gallery = Gallery(service.graders, service.vocabularies)
        return gallery.patient(connection, found, patient, asked.width)

    found = await service.read(query, is_costly=True)
    return await _chart_file(service, found, kind or "svg", request)


async def _chart_file(service: Service, chart: Chart, kind: Kind, request: Request) -> Response:
    """Return the chart as a file; a page asks for its bare specification and sets the colours."""

    def draw() -> str | bytes:
        if kind == "json" and "for-page" in request.query_params:
            return json.dumps(chart.page())
        return chart.drawn(kind)

    content = await service.in_thread(draw, is_costly=True)
    return Response(content, media_type=MEDIA[kind])


def _kind(request: Request, file: str) -> tuple[Kind | None, str]:
    """Return the kind by suffix, else by ``Accept`` (None: a page), and the name without suffix."""
    stem, dot, suffix = file.rpartition(".")
    if dot:
        found = next((kind for kind in MEDIA if kind == suffix), None)
        if found is None:
            raise NotFound(f"a picture is a file of {', '.join(MEDIA)}")
        return found, stem
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted:
        return None, file
    return next((kind for kind, media in MEDIA.items() if media in accepted), None), file


async def _chart_page(
    service: Service, gallery: Gallery, study: str, name: Name, asked: ChartRequest
) -> HTMLResponse:
    def query(connection: Connection) -> tuple[Study, Chart, int]:
        found = find_study(connection, study)
        chart = gallery.study(connection, found, name, asked)
        return found, chart, count_patients(connection, found)

    found, chart, n = await service.read(query, is_costly=True)
    return page(
        "picture.html",
        study=found,
        name=name,
        chart=STUDY_CHARTS[name],
        picture=chart,
        asked=asked,
        rows=gallery.rows(found),
        pages=-(-n // PATIENTS_PER_CHART) if name == "swimmer" else 1,
    )
