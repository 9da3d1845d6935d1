"""``POST …/results``: grade the results of a patient and store them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import Response
from sqlalchemy import Connection

from toxgrade.errors import FieldFault, RequestError
from toxgrade.server.api import responses
from toxgrade.server.api.fields import PatientName, StudyName
from toxgrade.server.api.grading import EXAMPLE, refuse_too_many
from toxgrade.server.api.requests import Panel
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.body import DirectRoute
from toxgrade.server.http.service import TheService
from toxgrade.server.records.store import Submission, store

router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=DirectRoute
)


@router.post(
    "/results",
    status_code=201,
    response_model=responses.StoredPanelAnswer,
    summary="Grade and store",
    dependencies=[require_role("writer")],
)
async def post_results(
    service: TheService,
    study: StudyName,
    patient: PatientName,
    asked: Annotated[Panel, Body(openapi_examples={"panel": {"value": EXAMPLE}})],
) -> Response:
    """Store results and grade the patient again by the study's rules; durable before the answer.

    A result sent again unchanged changes nothing; with other content it supersedes. Radiotherapy
    that is left out stays as it is, null clears it.
    """
    refuse_too_many(asked, service)
    faults = [
        FieldFault(("results", i, "collected"), "missing", "required to store a result")
        for i, result in enumerate(asked.results)
        if result.collected is None
    ]
    if faults:
        raise RequestError("a stored result needs the date it was taken", faults)
    courses = asked.courses() if "radiotherapy" in asked.model_fields_set else None
    sent = Submission(study, patient, tuple(asked.labs()), courses)

    def save(connection: Connection) -> dict[str, Any]:
        stored = store(connection, sent, service.graders)
        return {
            "study": study,
            "patient": patient,
            "edition": stored.edition,
            "grades": [responses.stored(row) for row in stored.grades],
            "summary": stored.summary,
        }

    return await service.store(save, is_panel=True)
