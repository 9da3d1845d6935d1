"""``POST /fhir/$ctcae-grade``: a Bundle in, a derived resource for every Observation out."""

from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import RequestError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.results import Accepted, Observed
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.rules import Rules
from toxgrade.server.ehr import resources
from toxgrade.server.ehr.fhir_http import FHIR_JSON, BundleRoute, fhir_json, issue, outcome
from toxgrade.server.ehr.grade_bundle import Answers, Grouped, grade, observe, persons
from toxgrade.server.ehr.operation_parameters import (
    PARAMETERS,
    OperationParameters,
    parse_parameters,
)
from toxgrade.server.ehr.persist import persist
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.body import read_json
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.studies import find_study

router = APIRouter(
    prefix="/fhir", tags=["EHR"], route_class=BundleRoute, dependencies=[require_role("reader")]
)

IN_THE_LOOP = 100_000
"""Up to so many bytes (some 100 Observations) are read in the event loop; more in a thread."""

_EXAMPLE: dict[str, Any] = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "radiotherapyStart", "valueDate": "2011-01-24"},
        {"name": "radiotherapyEnd", "valueDate": "2011-03-09"},
        {"name": "bundle", "resource": {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": {
                "resourceType": "Observation", "id": "LAB-1", "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "1975-2"}]},
                "subject": {"reference": "Patient/P1"}, "effectiveDateTime": "2011-04-23",
                "valueQuantity": {"value": 1.8, "unit": "mg/dL",
                                  "system": "http://unitsofmeasure.org", "code": "mg/dL"},
                "referenceRange": [{"low": {"value": 0.2, "unit": "mg/dL"},
                                    "high": {"value": 1.2, "unit": "mg/dL"}}],
            }},
        ]}},
    ],
}  # fmt: skip
_BODY = {
    "required": True,
    "content": {
        FHIR_JSON: {
            "schema": {"type": "object", "required": ["resourceType"]},
            "examples": {"parameters": {"value": _EXAMPLE}},
        }
    },
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    asked: OperationParameters
    contents: Contents
    observed: list[Observed]
    people: list[Grouped]


@router.post(
    "/$ctcae-grade",
    summary="Grade the Observations of a Bundle",
    openapi_extra={"requestBody": _BODY},
    responses={200: {"content": {FHIR_JSON: {}}, "description": "A collection Bundle."}},
    response_class=Response,
)
async def ctcae_grade(request: Request, service: TheService) -> Response:
    """Every Observation is answered: by a derived one, and an OperationOutcome where it is not
    graded. Send Parameters to give treatment dates, or to store the results under a patient."""
    if request.query_params:
        names = ", ".join(PARAMETERS)
        raise RequestError(f"send {names} as Parameters in the body, not in the address")
    body = await request.body()
    in_thread = len(body) > IN_THE_LOOP

    def prepare() -> _Prepared:
        return _prepare(body, service)

    prepared = await to_thread.run_sync(prepare) if in_thread else prepare()
    asked = prepared.asked

    def told(answers: Answers, grader: TermGrader) -> resources.Resource:
        return _answer(prepared, answers, grader)

    if asked.persist:
        return await persist(asked, prepared.observed, prepared.people, service, told)
    rules = await _rules(asked, service)
    grader = service.graders.for_rules(rules)

    def graded() -> Response:
        answers = grade(prepared.observed, prepared.people, grader, rules.window)
        return fhir_json(told(answers, grader))

    return await to_thread.run_sync(graded) if in_thread else graded()


def _prepare(body: bytes, service: Service) -> _Prepared:
    settings, names = service.settings, service.graders.for_rules(Rules()).names
    asked = parse_parameters(read_json(body))
    contents = read_bundle(asked.bundle, asked.where, settings.max_bundle_entries)
    accepted = Accepted(asked.preliminary, settings.fhir_unknown_status == "final")
    observed = observe(contents, names, accepted)
    people = persons(contents, observed, of_one=asked.of_one_patient, course=asked.course)
    return _Prepared(asked, contents, observed, people)


async def _rules(asked: OperationParameters, service: Service) -> Rules:
    """The rules of the study that was named, else the defaults."""
    study = asked.study
    if study is None:
        return Rules()
    service.require("reader", study)
    found = await service.read(lambda c: find_study(c, study), study=study)
    return found.rules


def _answer(prepared: _Prepared, answers: Answers, grader: TermGrader) -> resources.Resource:
    """The answers in the order of the Observations, then what is to be said of the Bundle."""
    procedures = {
        place: person.treatment.procedures for person in prepared.people for place in person.places
    }
    found = [
        resource
        for place, observed in enumerate(prepared.observed)
        for resource in resources.entries(
            observed, answers[place], grader.edition, prepared.asked.output, procedures[place]
        )
    ]
    if notes := prepared.contents.notes:
        found.append(
            outcome([issue("warning", "business-rule", n.code, n.text, [n.path]) for n in notes])
        )
    return resources.collection(found)
