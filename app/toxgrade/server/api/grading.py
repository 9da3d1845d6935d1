"""Routes that grade a panel: ``POST /v1/grade`` without storing, ``…/results`` storing it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body
from fastapi.responses import Response

from toxgrade.errors import CriteriaError, FieldFault, RequestError, TooLarge
from toxgrade.fhir.concept_map import read_concept_map
from toxgrade.grading.dictionary import Dictionary, read_dictionary
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient, refuse_late_baseline
from toxgrade.grading.phase import Window
from toxgrade.grading.result import WITHDRAWN, Course, LabResult
from toxgrade.grading.rules import Rules
from toxgrade.server.api import responses
from toxgrade.server.api.fields import PatientName, StudyName
from toxgrade.server.api.requests import GradeRequest, Panel
from toxgrade.server.api.responses import PanelAnswer, panel
from toxgrade.server.http import preferences
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import DirectRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.identity import Loc, refuse_contradictions
from toxgrade.server.records.store import Stored, store

router = APIRouter(
    prefix="/v1", tags=["grading"], route_class=DirectRoute, dependencies=[require_role("reader")]
)
panel_router = APIRouter(
    prefix="/v1/studies/{study}/patients/{patient}", tags=["patients"], route_class=DirectRoute
)

EXAMPLE: dict[str, object] = {
    "radiotherapy": {"start": "2011-01-24", "end": "2011-03-09"},
    "baseline": [
        {"analyte": "bilirubin", "value": "0.9", "unit": "mg/dL", "uln": "1.2",
         "collected": "2011-01-20"},
    ],
    "results": [
        {"analyte": "bilirubin", "value": "1.8", "unit": "mg/dL", "lln": "0.2", "uln": "1.2",
         "collected": "2011-04-23", "source_id": "LAB-1"},
        {"analyte": "WBC", "value": 2.8, "unit": "10*9/L", "lln": 4, "uln": 10,
         "collected": "2011-04-23"},
    ],
}  # fmt: skip


@router.post(
    "/grade", response_model=PanelAnswer, summary="Grade without storing", name="grade_panel"
)
async def grade(
    service: TheService,
    asked: GradeRequest = Body(openapi_examples={"panel": {"value": EXAMPLE}}),  # noqa: B008
) -> Response:
    """Grade a panel by CTCAE, place each result as acute or late, and say why. Nothing is kept."""
    refuse_too_many(asked, service)
    choices = tuple(asked.interpretations.items())
    rules = Rules(
        asked.edition, asked.window.window(), interpretations=choices,
        dictionary=site_names(asked.dictionary, service),
    )  # fmt: skip
    grader = grader_for(rules, service)
    labs = asked.labs()
    refuse_contradictions(labs, grader.names)
    courses = asked.courses()
    refuse_late_baseline(labs, courses)
    content = _graded(labs, courses, grader, rules.window)
    return Response(content, media_type="application/json")


def _graded(
    sent: Sequence[tuple[Loc, LabResult]],
    courses: Sequence[Course],
    grader: TermGrader,
    window: Window,
) -> bytes:
    labs = [lab for _, lab in sent]
    return msgspec.json.encode(panel(labs, grade_patient(labs, courses, grader, window), grader))


def refuse_too_many(request: Panel, service: Service) -> None:
    """Refuse a panel that is too large for one request.

    Raises:
        TooLarge: it has more results than ``TOXGRADE_MAX_RESULTS``.
    """
    most = service.settings.max_results
    if len(request.results) + len(request.baseline) > most:
        fault = FieldFault(("results",), "too-many", f"at most {most} in one request")
        raise TooLarge(
            f"more than {most} results: send a batch, graded by `toxgrade grade`", [fault]
        )


def site_names(given: Mapping[str, Mapping[str, str]], service: Service) -> Dictionary:
    """Return the dictionary of a request, which may be a ConceptMap.

    Raises:
        RequestError: an entry is not understood; its fault names table and number of the entry.
    """
    analytes = service.graders.criteria.analytes.values()
    try:
        if "resourceType" in given:
            given = read_concept_map(given, analytes)
        return read_dictionary(given, analytes)
    except RequestError as error:
        faults = [replace(fault, loc=("dictionary", *fault.loc)) for fault in error.faults]
        raise RequestError(str(error), faults) from None


def grader_for(rules: Rules, service: Service) -> TermGrader:
    """Return the grader for these rules.

    Raises:
        RequestError: there is no such edition, interpretation or choice.
    """
    try:
        service.graders.criteria.edition(rules.edition)
    except CriteriaError as error:
        fault = FieldFault(("edition",), "unknown-edition", str(error))
        raise RequestError("there is no such edition", [fault]) from None
    try:
        return service.graders.for_rules(rules)
    except CriteriaError as error:
        fault = FieldFault(("interpretations",), "unknown-interpretation", str(error))
        raise RequestError("the edition has no such interpretation", [fault]) from None


@panel_router.post(
    "/results",
    status_code=201,
    response_model=responses.StoredPanelAnswer,
    summary="Grade and store",
    dependencies=[require_role("writer")],
    responses={201: {"description": "Stored.", "headers": preferences.DESCRIBED}},
    openapi_extra={"parameters": [preferences.PARAMETER]},
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
        if result.collected is None and result.status not in WITHDRAWN
    ]
    if faults:
        raise RequestError("a stored result needs the date it was taken", faults)
    courses = asked.courses() if "radiotherapy" in asked.model_fields_set else None
    sent = Submission(study, patient, tuple(asked.labs()), courses)

    def save(transaction: Transaction) -> Stored:
        return store(transaction, sent, service.graders)

    def show(stored: Stored) -> Mapping[str, object]:
        return {
            "study": study,
            "patient": patient,
            "edition": stored.edition,
            "grades": [responses.stored(row) for row in stored.grades],
            "summary": stored.summary,
        }

    return await service.store(save, show=show, is_panel=True)
