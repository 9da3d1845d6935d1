"""One patient of a study: grades and worst grades out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from toxgrade.api import answers
from toxgrade.api.fields import PatientName, StudyName, Text
from toxgrade.grading.result import Phase
from toxgrade.server.http.authorization import needs
from toxgrade.server.http.body import JsonRoute
from toxgrade.server.http.service import TheService, as_of
from toxgrade.server.records.grade_queries import GradeFilter, list_grades, patient_toxicity
from toxgrade.server.records.studies import find_study
from toxgrade.server.reports.liver_safety import liver_document

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=JsonRoute
)


@router.get(
    "/grades",
    response_model=answers.GradePage,
    summary="A patient's grades",
    dependencies=[needs("reader"), as_of()],
)
async def grades(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    term: Text | None = None,
    phase: Phase | None = None,
    min_grade: Annotated[int | None, Query(ge=0, le=5)] = None,
    include_superseded: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> JSONResponse:
    """By date, then id, page by page; ``min_grade`` compares ``at_least``."""
    chosen = GradeFilter(term, phase, min_grade, include_superseded)
    rows, following = await service.read(
        lambda c: list_grades(c, study, patient, chosen, limit, cursor)
    )
    return JSONResponse({"grades": [answers.stored(row) for row in rows], "next": following})


@router.get(
    "/toxicity",
    response_model=answers.ToxicityAnswer,
    summary="A patient's worst grades",
    dependencies=[needs("reader"), as_of()],
)
async def toxicity(service: TheService, study: StudyName, patient: PatientName) -> dict[str, Any]:
    """Per term the baseline, the worst acute and the worst late grade; and liver safety."""

    def query(connection: Connection) -> dict[str, Any]:
        found = find_study(connection, study)
        grader = service.graders.under(found.rules)
        courses, summary = patient_toxicity(connection, study, patient)
        return {
            "patient": patient,
            "radiotherapy": answers.course(courses[0]) if courses else None,
            "summary": summary,
            "liver_safety": liver_document(connection, found, patient, grader),
        }

    return await service.read(query)
