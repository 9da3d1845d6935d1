"""The CDS Hooks 2.0 service: cards about toxicity when a clinician opens a patient's chart."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from urllib.parse import quote
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic.json_schema import JsonSchemaValue
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.errors import FieldFault, RequestError
from toxgrade.fhir.elements import Element, object_of, text_of
from toxgrade.fhir.results import Accepted, Observed
from toxgrade.grading.flags import Flag
from toxgrade.grading.rules import Rules
from toxgrade.server.ehr.cards import cards, notice
from toxgrade.server.ehr.cds_answers import Card, Cards, CdsService, CdsServices
from toxgrade.server.ehr.grade_bundle import Answers, PersonValues, grade, observe, refuse_too_many
from toxgrade.server.ehr.prefetch import COURSES, LABS, is_outcome, read_prefetch, templates
from toxgrade.server.http.authorization import public, require_role
from toxgrade.server.http.body import BodyProblem
from toxgrade.server.http.json_route import BundleRoute
from toxgrade.server.http.service import Service, TheService
from toxgrade.server.records.studies import rules_of

router = APIRouter(prefix="/cds-services", tags=["EHR"], route_class=BundleRoute)

_log = structlog.get_logger()
_SERVICE, _HOOK = "ctcae-labs", "patient-view"
_OUTCOMES = ("accepted", "overridden")
_MAX_FAULTS = 100  # in one answer


def _described(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the OpenAPI description of a body of this schema."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"requestBody": body}


def _object(**properties: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of an object that has these properties, all of them, and any others."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _text(holds: str) -> JsonSchemaValue:
    return {"type": "string", "pattern": r"\S", "description": holds}


_CALL = _object(
    hook={"const": _HOOK, "description": "Always this."},
    hookInstance=_text("The number of the call, a UUID."),
    context=_object(patientId=_text("The id of the Patient whose chart is open."))
    | {"description": "Where the hook was called."},
    prefetch=_object(
        **{
            LABS: {"description": "The searchset of Observations."},
            COURSES: {"description": "The searchset of Procedures; null: it could not be read."},
        }
    )
    | {"description": "What the EHR read by the queries that `GET /cds-services` tells."},
)
_FEEDBACK = _object(
    feedback={
        "type": "array",
        "description": "One entry for each card.",
        "minItems": 1,
        "items": _object(
            card={"type": "string", "format": "uuid", "description": "The card's `uuid`."},
            outcome={"enum": list(_OUTCOMES), "description": "What the clinician did with it."},
            outcomeTimestamp={
                "type": "string",
                "format": "date-time",
                "description": "When, with the offset.",
            },
        ),
    }
)


@router.get("", summary="What this CDS service offers", dependencies=[public()])
async def get_cds_services(service: TheService) -> CdsServices:
    """The services, as CDS Hooks clients discover them."""
    offered = CdsService(
        hook=_HOOK,
        id=_SERVICE,
        title="Laboratory toxicity after radiotherapy (CTCAE)",
        description="Grades laboratory values and says which toxicity is acute or late"
        " after radiotherapy. A clinician decides; this computes.",
        requirements="Send both prefetch keys: fhirServer and fhirAuthorization are not used.",
        prefetch=templates(service.graders.criteria),
    )
    return CdsServices([offered])


@router.post(
    f"/{_SERVICE}",
    summary="Cards about laboratory toxicity",
    openapi_extra=_described(_CALL),
    dependencies=[require_role("reader", tokens_once=True)],
)
async def post_ctcae_labs(request: Request, service: TheService) -> Cards:
    """One card for the latest result of each term that is graded 2 or higher, or may be 3."""
    pages = f"{request.base_url}studies/{service.settings.cds_study}"
    study = service.settings.cds_study
    rules = await service.read(lambda connection: rules_of(connection, study))
    return Cards(_cards(await request.json(), pages, service, rules))


def _cards(document: object, pages: str, service: Service, rules: Rules) -> list[Card]:
    """Return the cards for one call, with a notice about what was not sent or not read."""
    patient, prefetch = _parse_call(document)
    sent = read_prefetch(patient, prefetch, service.settings.max_bundle_entries)
    grader = service.graders.for_rules(rules)
    accepted = Accepted(unknown=service.settings.fhir_unknown_status == "final")
    refuse_too_many(sent.labs, service.settings.max_bundle_entries)
    observed = observe(sent.labs, grader.names, accepted)
    person = PersonValues(tuple(range(len(observed))), sent.treatment)
    answers = grade(observed, [person], grader, rules.window)
    link = f"{pages}/patients/{quote(patient, safe='')}"
    notices = {
        "Not all laboratory values were graded": sent.lab_gaps,
        "Not all dates of radiotherapy were read: acute or late may be wrong": sent.course_gaps,
        "A result is there twice with different content: both were graded": _doubled(
            observed, answers
        ),
    }
    edition, runtime = grader.edition, service.runtime
    return cards(observed, answers, edition, grader.names, link, runtime) + [
        notice(summary, "\n".join(f"- {line}" for line in lines), edition, runtime)
        for summary, lines in notices.items()
        if lines
    ]


def _doubled(observed: Sequence[Observed], answers: Answers) -> list[str]:
    """Return the places of results that are there with another value for the same time."""
    return [
        one.where
        for one, grades in zip(observed, answers, strict=True)
        if any(Flag.TWO_VALUES_ONE_TIME in graded.flags for graded in grades)
    ]


def _parse_call(document: object) -> tuple[str, dict[str, object]]:
    """Return the id of the patient in context, and the prefetch with both of its keys.

    Raises:
        RequestError: a field that the specification requires is missing or wrong.
        BodyProblem: a key is missing, or there are no laboratory values (412); it names the key.
    """
    fields = object_of(document)
    faults = []
    if fields.get("hook") != _HOOK:
        faults.append(FieldFault(("hook",), "hook", f"expected {_HOOK}"))
    if text_of(fields.get("hookInstance")) is None:
        faults.append(FieldFault(("hookInstance",), "missing", "expected the call's UUID"))
    patient = text_of(object_of(fields.get("context")).get("patientId"))
    if patient is None:
        where = ("context", "patientId")
        faults.append(FieldFault(where, "missing", "expected the id of the patient in context"))
    if faults or patient is None:
        raise RequestError("the call of the hook cannot be read", faults)
    prefetch = object_of(fields.get("prefetch"))
    missing = [key for key in (LABS, COURSES) if key not in prefetch]
    missing += [key for key in (LABS, COURSES) if key not in missing if _failed(key, prefetch)]
    if missing:
        named = ", ".join(missing)
        places = [FieldFault(("prefetch", key), "missing", "this is needed") for key in missing]
        raise BodyProblem(412, f"prefetch lacks {named}", *places)
    return patient, dict(prefetch)


def _failed(key: str, prefetch: Element) -> bool:
    """Return whether there is nothing to grade; without courses, cards say so."""
    return key == LABS and (prefetch[key] is None or is_outcome(prefetch[key]))


@router.post(
    f"/{_SERVICE}/feedback",
    summary="What became of cards",
    openapi_extra=_described(_FEEDBACK),
    dependencies=[require_role("reader", tokens_once=True)],
    response_class=Response,
    responses={200: {"description": "It was taken; the answer is empty."}},
)
async def post_ctcae_labs_feedback(request: Request) -> Response:
    """How many cards were accepted or overridden is logged. Nothing else is kept: a comment may
    be about a patient."""
    outcomes = _parse_feedback(await request.json())
    for outcome in sorted(set(outcomes)):
        _log.info(f"cards {outcome}", rows=outcomes.count(outcome))
    return Response()


def _parse_feedback(document: object) -> list[str]:
    """Return the outcome of each card.

    Raises:
        RequestError: a field that the specification requires is missing or wrong.
    """
    entries = object_of(document).get("feedback")
    if not isinstance(entries, list) or not entries:
        fault = FieldFault(("feedback",), "missing", "expected a list of feedback on cards")
        raise RequestError("the feedback cannot be read", [fault])
    found = (
        FieldFault((f"feedback[{i}].{name}",), "unreadable", f"feedback[{i}].{name}: {expected}")
        for i, entry in enumerate(entries)
        for name, expected in _faulty_fields(object_of(entry))
    )
    faults = list(islice(found, _MAX_FAULTS))
    if faults:
        raise RequestError("the feedback cannot be read", faults)
    return [entry["outcome"] for entry in entries]


def _faulty_fields(entry: Element) -> Iterator[tuple[str, str]]:
    """Yield each wrong field of one feedback, with what is expected.

    Suggestions are not asked for, although ``accepted`` should name some: our cards have none.
    """
    if not _is_uuid(entry.get("card")):
        yield "card", "expected the uuid of a card"
    if entry.get("outcome") not in _OUTCOMES:
        yield "outcome", f"expected {' or '.join(_OUTCOMES)}"
    if not _is_instant(entry.get("outcomeTimestamp")):
        yield "outcomeTimestamp", "expected a date-time with its offset: 2026-12-01T12:00:00Z"
    if not isinstance(entry.get("acceptedSuggestions", []), list):
        yield "acceptedSuggestions", "expected a list"
    if not isinstance(entry.get("overrideReason", {}), dict):
        yield "overrideReason", "expected an object with reason, userComment or both"


def _is_uuid(value: object) -> bool:
    try:
        return bool(UUID(text_of(value) or ""))
    except ValueError:
        return False


def _is_instant(value: object) -> bool:
    try:
        return datetime.fromisoformat(text_of(value) or "").tzinfo is not None
    except ValueError:
        return False
