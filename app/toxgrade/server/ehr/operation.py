"""The route ``POST /fhir/$ctcae-grade``, which answers each Observation with derived resources."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import RequestError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.elements import Note
from toxgrade.fhir.results import Accepted, Observed
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.rules import Rules
from toxgrade.grading.units import Names
from toxgrade.server.ehr.documented import Bundle
from toxgrade.server.ehr.fhir_http import (
    FHIR_JSON,
    GENERAL,
    FhirJson,
    encode,
    negotiated,
    note_issues,
    outcome,
)
from toxgrade.server.ehr.grade_bundle import (
    Answers,
    PersonValues,
    grade,
    observe,
    persons,
    refuse_too_many,
    unplaced,
)
from toxgrade.server.ehr.operation_parameters import (
    PARAMETERS,
    OperationParameters,
    parse_parameters,
    refuse_other_patient,
)
from toxgrade.server.ehr.persist import DEFAULT_STUDY, persist, storable, undated_notes
from toxgrade.server.ehr.resources import Resource, entries
from toxgrade.server.http import incomplete
from toxgrade.server.http.authorization import require_role
from toxgrade.server.http.json_route import BundleRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.studies import find_study
from toxgrade.server.runtime import Runtime
from toxgrade.server.settings import Settings

_SLICE = 200  # entries of a Bundle

router = APIRouter(
    prefix="/fhir",
    tags=["EHR"],
    route_class=BundleRoute,
    dependencies=[require_role("reader"), negotiated()],
)

_EXAMPLE: dict[str, object] = {
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
            "schema": {
                "type": "object",
                "required": ["resourceType"],
                "properties": {
                    "resourceType": {
                        "type": "string",
                        "description": "Parameters, as below; or a Bundle, one Observation or"
                        " DiagnosticReport alone.",
                    }
                },
            },
            "examples": {"parameters": {"value": _EXAMPLE}},
        }
    },
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    parameters: OperationParameters
    contents: Contents
    observed: list[Observed]
    people: list[PersonValues]


@router.post(
    "/$ctcae-grade",
    summary="Grade the Observations of a Bundle",
    openapi_extra={"requestBody": _BODY},
    response_class=FhirJson,
    response_model=Bundle,
    responses={200: {"description": "A collection.", "headers": incomplete.DESCRIBED}},
)
async def post_ctcae_grade(request: Request, service: TheService) -> Response:
    """Every Observation is answered: by a derived one, and an OperationOutcome where it is not
    graded. Send Parameters to give treatment dates, or to store the results under a patient."""
    if set(request.query_params) - GENERAL:
        names = ", ".join(PARAMETERS)
        raise RequestError(f"send {names} as Parameters in the body, not in the address")
    parameters = parse_parameters(await request.json())
    rules = await _rules(parameters, service)
    grader = service.graders.for_rules(rules)
    prepared = _prepare(parameters, grader.names, service.settings)

    if not parameters.persist:
        answers = grade(prepared.observed, prepared.people, grader, rules.window)
        return collection_json(_answer(prepared, answers, grader), service.runtime)

    def build_answer(answers: Answers, grader: TermGrader, notes: Sequence[Note]) -> Resource:
        return _collection(_answer(prepared, answers, grader, notes), service.runtime)

    sent = storable(prepared.observed, grader.names)
    return await persist(
        parameters, prepared.observed, sent, prepared.people, service, build_answer
    )


def _prepare(parameters: OperationParameters, names: Names, settings: Settings) -> _Prepared:
    contents = read_bundle(parameters.bundle, parameters.where, settings.max_bundle_entries)
    accepted = Accepted(parameters.preliminary, settings.fhir_unknown_status == "final")
    refuse_too_many(contents, settings.max_bundle_entries)
    observed = observe(contents, names, accepted)
    people = persons(contents, observed, of_one=parameters.of_one_patient, course=parameters.course)
    refuse_other_patient(parameters, contents)
    if parameters.course is None:
        contents.notes += unplaced(contents, people)
    if parameters.persist:
        contents.notes += undated_notes(observed, names)
    return _Prepared(parameters, contents, observed, people)


async def _rules(parameters: OperationParameters, service: Service) -> Rules:
    """Return the rules of the study that is named, else the default rules."""
    study = parameters.study or (DEFAULT_STUDY if parameters.persist else None)
    if study is None:
        return Rules()
    service.require("writer" if parameters.persist else "reader", study)
    found = await service.read(lambda c: find_study(c, study), study=study)
    return found.rules


def _answer(
    prepared: _Prepared, answers: Answers, grader: TermGrader, notes: Sequence[Note] = ()
) -> Iterator[Resource]:
    """Yield the answers in the order of the Observations, then all notes on the Bundle."""
    procedures = {
        index: person.treatment.procedures for person in prepared.people for index in person.indices
    }
    for index, observed in enumerate(prepared.observed):
        yield from entries(
            observed, answers[index], grader.edition, prepared.parameters.output, procedures[index]
        )
    if told := [*prepared.contents.notes, *notes]:
        yield outcome(note_issues(told))


def collection_json(resources: Iterable[Resource], runtime: Runtime) -> Response:
    """Return a collection Bundle as a response, encoded in slices while they are made.

    Other threads run between slices. Freeing 9,900 answers at once kept them waiting for 35 ms.
    """
    made, pieces = _entries(resources, runtime), list[bytes]()
    while some := [*islice(made, _SLICE)]:
        pieces.append(encode(some)[1:-1])
    head, end = encode(_collection([], runtime)).removesuffix(b"}"), b"}"
    if pieces:
        head, end = head + b',"entry":[', b"]}"
    return Response(head + b",".join(pieces) + end, media_type=FHIR_JSON)


def _collection(resources: Iterable[Resource], runtime: Runtime) -> Resource:
    """Return a Bundle of resources."""
    found = [*_entries(resources, runtime)]
    return {"resourceType": "Bundle", "type": "collection"} | ({"entry": found} if found else {})


def _entries(resources: Iterable[Resource], runtime: Runtime) -> Iterator[Resource]:
    """Yield entries of a Bundle, each with a new fullUrl because no resource is stored."""
    return ({"fullUrl": f"urn:uuid:{runtime.uuid()}", "resource": one} for one in resources)
