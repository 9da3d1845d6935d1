"""Reports on a study: toxicity table, shift table, late toxicity, time to a grade, survival."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import Connection
from starlette.requests import Request

from app.api.fields import Name, StudyName
from app.cohort.document import table_csv, table_document, table_html
from app.cohort.read import cohort
from app.cohort.rows import TableRow, find_row
from app.cohort.scope import Report, Scope
from app.cohort.shift import shift_table
from app.http.body import JsonRoute
from app.http.guard import needs
from app.http.service import Service, TheService
from app.records.studies import Study, find_study

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["reports"],
    route_class=JsonRoute,
    dependencies=[needs("reader")],
)

Term = Annotated[Name, Query(description="A CTCAE term, or the label of a table's row.")]


async def _scope(
    phase: Report = "acute",
    course: Annotated[int, Query(ge=1, le=20, description="1: the first.")] = 1,
    on_treatment: Annotated[bool, Query(description="false: only after the end.")] = True,
    include_baseline: Annotated[bool, Query(description="In the worst grade.")] = False,
) -> Scope:
    return Scope(phase, course, on_treatment, include_baseline)


AskedScope = Annotated[Scope, Depends(_scope)]


@router.get(
    "/toxicity-table",
    summary="How many patients had which grade",
    responses={200: {"content": {"text/csv": {}, "text/html": {}}}},
)
async def toxicity(
    request: Request, service: TheService, study: StudyName, scope: AskedScope
) -> Response:
    """The table of a paper, every number with its definition; as `Accept` says JSON, CSV, HTML."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        edition = service.graders.under(found.rules).edition
        return table_document(connection, found, edition, scope)

    document = await service.read(query)
    accepted = request.headers.get("accept", "")
    if "text/html" in accepted:
        return HTMLResponse(table_html(document))
    if "text/csv" in accepted:
        return Response(table_csv(document), media_type="text/csv")
    return JSONResponse(document)


@router.get("/shift-table", summary="Baseline grade by worst grade")
async def shift(
    service: TheService, study: StudyName, term: Term, scope: AskedScope
) -> dict[str, Any]:
    """Where each patient began and how far it went, with the patients behind each cell."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        row = _row(term, found, service)
        table = shift_table(cohort(connection, found, scope), row, scope)
        cells = [
            {"baseline": before, "worst": after, "n": len(names), "patients": names}
            for (before, after), names in sorted(table.cells.items())
        ]
        return {
            "study": found.name,
            "synthetic": found.synthetic,
            "phase": scope.phase,
            "course": scope.course,
            "row": row.label,
            "terms": list(row.terms),
            "cells": cells,
            "not_evaluable": table.not_evaluable,
        }

    return await service.read(query)


def _row(name: str, study: Study, service: Service) -> TableRow:
    edition = service.graders.under(study.rules).edition
    return find_row(name, study, edition, service.vocabularies[edition.name])
