"""Pictures over HTTP: a page, or by suffix or ``Accept`` the file or its specification."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import AliasChoices
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.cohort.definition import ReportPhase
from toxgrade.errors import NotFound
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.studies import Study, count_patients, find_study
from toxgrade.server.web.charts.chart import MEDIA, WIDTH, Kind, Picture
from toxgrade.server.web.charts.gallery import NAMES, ChartRequest, Gallery, Name
from toxgrade.server.web.charts.swimmer import PER_PICTURE
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("reader", session=True)],
)


def _asked(
    phase: ReportPhase = "acute",
    term: Annotated[str, Query(max_length=200, validation_alias=AliasChoices("term", "row"))] = "",
    min_grade: Annotated[
        int, Query(ge=1, le=5, validation_alias=AliasChoices("min_grade", "grade"))
    ] = 2,
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
    width: Annotated[int, Query(ge=280, le=1600)] = WIDTH,
) -> ChartRequest:
    return ChartRequest(phase, term or None, min_grade, number, width)


@router.get("/studies/{study}/pictures/{file}")
async def study_picture(
    request: Request,
    service: TheService,
    study: str,
    file: str,
    asked: Annotated[ChartRequest, Depends(_asked)],
) -> Response:
    """A picture of a study: ``edish`` is a page, ``edish.svg`` the file."""
    gallery = Gallery(service.graders, service.vocabularies)
    kind, stem = _kind(request, file)
    name = next((name for name in NAMES if name == stem), None)
    if name is None:
        raise NotFound(f"there is no such picture; there are {', '.join(NAMES)}")
    if kind is None:
        return await _page(service, gallery, study, name, asked)

    def query(connection: Connection) -> Picture:
        return gallery.study(connection, find_study(connection, study), name, asked)

    return await drawn(await service.read(query), kind, request)


@router.get("/studies/{study}/patients/{patient}/{file}")
async def patient_picture(
    request: Request,
    service: TheService,
    study: str,
    patient: str,
    file: str,
    asked: Annotated[ChartRequest, Depends(_asked)],
) -> Response:
    """The timeline of a patient: ``timeline.svg``, or ``timeline`` by ``Accept``."""
    kind, stem = _kind(request, file)
    if stem != "timeline":
        raise NotFound("there is no such picture; there is timeline")

    def query(connection: Connection) -> Picture:
        found = find_study(connection, study)
        gallery = Gallery(service.graders, service.vocabularies)
        return gallery.patient(connection, found, patient, asked.width)

    return await drawn(await service.read(query), kind or "svg", request)


async def drawn(picture: Picture, kind: Kind, request: Request) -> Response:
    """The file; a page asks for the specification alone, to draw it in its own colours."""
    if kind == "json" and "for-page" in request.query_params:
        return Response(json.dumps(picture.page()), media_type=MEDIA[kind])
    return Response(await run_in_threadpool(picture.drawn, kind), media_type=MEDIA[kind])


def _kind(request: Request, file: str) -> tuple[Kind | None, str]:
    """What is asked for by suffix, else by ``Accept``; None: a page."""
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


async def _page(
    service: Service, gallery: Gallery, study: str, name: Name, asked: ChartRequest
) -> HTMLResponse:
    def query(connection: Connection) -> tuple[Study, Picture, int]:
        found = find_study(connection, study)
        picture = gallery.study(connection, found, name, asked)
        return found, picture, count_patients(connection, found)

    found, picture, n = await service.read(query)
    return page(
        "picture.html",
        study=found,
        name=name,
        picture=picture,
        asked=asked,
        rows=gallery.rows(found),
        pages=-(-n // PER_PICTURE) if name == "swimmer" else 1,
    )
