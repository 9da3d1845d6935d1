"""Who did what in a study, for those who manage it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from app.api.fields import PatientName, StudyName
from app.http.body import JsonRoute
from app.http.guard import needs
from app.http.service import TheService
from app.records.read_audit import list_entries
from app.records.studies import find_study

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["audit"],
    route_class=JsonRoute,
    dependencies=[needs("manager")],
)


@router.get("/audit", summary="Who did what, when, from where, with which outcome")
async def entries(
    service: TheService,
    study: StudyName,
    patient: PatientName | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> dict[str, Any]:
    """In order, page by page, each with its hash; `toxgrade audit verify` holds the chain to it."""

    def query(connection: Connection) -> list[dict[str, Any]]:
        return list_entries(connection, find_study(connection, study), patient, limit + 1, cursor)

    found = await service.read(query)
    following = found[limit - 1]["seq"] if len(found) > limit else None
    return {"entries": found[:limit], "next": following}
