"""Who did what in a study, for those who manage it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from toxgrade.server.api.fields import PatientName, StudyName
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.body import JsonRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.audit_log import list_entries
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["audit"],
    route_class=JsonRoute,
    dependencies=[require_role("manager")],
)


Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/audit", summary="Who did what, when, from where, with which outcome")
async def entries(
    service: TheService, study: StudyName, limit: Limit = 100, cursor: Cursor = 0
) -> dict[str, Any]:
    """In order, page by page, each with its hash; `toxgrade audit verify` holds the chain to it."""
    return await _page(service, study, None, limit, cursor)


@router.get("/patients/{patient}/audit", summary="What the audit says of one patient")
async def entries_of_patient(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    limit: Limit = 100,
    cursor: Cursor = 0,
) -> dict[str, Any]:
    """The entries that name the patient; those of the whole study are not among them."""
    return await _page(service, study, patient, limit, cursor)


async def _page(
    service: TheService, study: str, patient: str | None, limit: int, cursor: int
) -> dict[str, Any]:
    def query(connection: Connection) -> list[dict[str, Any]]:
        return list_entries(connection, find_study(connection, study), patient, limit + 1, cursor)

    found = await service.read(query)
    following = found[limit - 1]["seq"] if len(found) > limit else None
    return {"entries": found[:limit], "next": following}
