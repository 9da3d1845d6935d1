"""Liver safety of a study over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from toxgrade.api.fields import PatientName, StudyName
from toxgrade.server.http.authorization import needs
from toxgrade.server.http.body import JsonRoute
from toxgrade.server.http.service import TheService, as_of
from toxgrade.server.records.studies import find_study, list_patients
from toxgrade.server.reports.liver_safety import DEFINITIONS, liver_document

router = APIRouter(
    prefix="/v1/studies/{study}",
    tags=["reports"],
    route_class=JsonRoute,
    dependencies=[needs("reader"), as_of()],
)


@router.get("/liver-safety", summary="ALBI, Hy's law candidates, eDISH, RILD, Child-Pugh")
async def study_liver_safety(
    service: TheService,
    study: StudyName,
    within_days: Annotated[
        int, Query(ge=0, le=30, description="Between transaminase and bilirubin of a candidate.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: PatientName | None = None,
) -> dict[str, Any]:
    """Per patient, by name, page by page. Candidates and flags for review, never diagnoses."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        grader = service.graders.under(found.rules)
        names = list_patients(connection, found, limit + 1, cursor)
        return {
            "study": found.name,
            "synthetic": found.synthetic,
            "within_days": within_days,
            "definitions": DEFINITIONS,
            "patients": [
                {"patient": name} | liver_document(connection, found, name, grader, within_days)
                for name in names[:limit]
            ],
            "next": names[limit - 1] if len(names) > limit else None,
        }

    return await service.read(query)
