"""Who did what in a study, for those who manage it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.service import TheService
from toxgrade.server.records.audit_log import list_entries
from toxgrade.server.records.studies import Study, find_study
from toxgrade.server.web.page import PageRoute, page

router = APIRouter(
    route_class=PageRoute,
    include_in_schema=False,
    dependencies=[require_role("manager", session=True)],
)

PER_PAGE = 100


@router.get("/studies/{study}/audit")
async def audit(
    service: TheService, study: str, after: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> HTMLResponse:
    """The audit in order; ``after`` is the number of the last entry of the page before."""

    def query(connection: Connection) -> tuple[Study, list[dict[str, Any]]]:
        found = find_study(connection, study)
        return found, list_entries(connection, found, None, PER_PAGE + 1, after)

    found, entries = await service.read(query)
    following = entries[PER_PAGE - 1]["seq"] if len(entries) > PER_PAGE else None
    return page("audit.html", study=found, entries=entries[:PER_PAGE], following=following)
