"""The CDS Hooks 2.0 service: cards about toxicity when a clinician opens a patient's chart."""

from typing import Any
from urllib.parse import quote

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import Response

from toxgrade.criteria.model import Criteria
from toxgrade.errors import FieldFault, RequestError
from toxgrade.fhir.bundle import Contents, Treatment, read_bundle
from toxgrade.fhir.elements import LOINC, RADIOTHERAPY_COURSE, SNOMED, object_of, objects, text_of
from toxgrade.fhir.results import Accepted
from toxgrade.grading.rules import Rules
from toxgrade.server.ehr.cards import cards, notice
from toxgrade.server.ehr.fhir_http import BundleRoute
from toxgrade.server.ehr.grade_bundle import PersonValues, grade, observe
from toxgrade.server.http.authorization import public, require_role
from toxgrade.server.http.body import BodyProblem, read_json
from toxgrade.server.http.service import Service, TheService

router = APIRouter(prefix="/cds-services", tags=["EHR"], route_class=BundleRoute)

_SERVICE, _HOOK = "ctcae-labs", "patient-view"
_LABS, _COURSES = "labs", "radiotherapy"
_MAX_LOOP_BYTES = 100_000  # A larger body is handled in a thread, not in the event loop.
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["hook", "hookInstance", "context", "prefetch"],
            }
        }
    },
}


@router.get("", summary="What this CDS service offers", dependencies=[public()])
async def discovery(service: TheService) -> dict[str, Any]:
    """The services, as CDS Hooks clients discover them."""
    return {
        "services": [
            {
                "hook": _HOOK,
                "id": _SERVICE,
                "title": "Laboratory toxicity after radiotherapy (CTCAE v4.03)",
                "description": "Grades laboratory values and says which toxicity is acute or late"
                " after radiotherapy. A clinician decides; this computes.",
                "prefetch": _prefetch(service.graders.criteria),
            }
        ]
    }


def _prefetch(criteria: Criteria) -> dict[str, str]:
    codes = ",".join(f"{LOINC}|{code}" for a in criteria.analytes.values() for code in a.loinc)
    patient = "patient={{context.patientId}}"
    return {
        _LABS: f"Observation?{patient}&code={codes}&_sort=-date&_count=200",
        _COURSES: f"Procedure?{patient}&code={SNOMED}|{RADIOTHERAPY_COURSE}",
    }


@router.post(
    f"/{_SERVICE}",
    summary="Cards about laboratory toxicity",
    openapi_extra={"requestBody": _BODY},
    dependencies=[require_role("reader", tokens_once=True)],
)
async def ctcae_labs(request: Request, service: TheService) -> Response:
    """One card for the latest result of each term that is graded 2 or higher, or may be 3."""
    body, pages = await request.body(), f"{request.base_url}studies/{service.settings.cds_study}"

    def answer() -> Response:
        return JSONResponse({"cards": _cards(read_json(body), pages, service)})

    return await to_thread.run_sync(answer) if len(body) > _MAX_LOOP_BYTES else answer()


def _cards(document: object, pages: str, service: Service) -> list[dict[str, Any]]:
    """Return the cards for one call, with a notice where values or dates are missing."""
    patient, prefetch = _parse_call(document)
    labs = _parse(prefetch, _LABS, service)
    courses = _parse(prefetch, _COURSES, service) if prefetch[_COURSES] is not None else Contents()
    rules = Rules()
    grader = service.graders.for_rules(rules)
    accepted = Accepted(unknown=service.settings.fhir_unknown_status == "final")
    observed = observe(labs, grader.names, accepted)
    _refuse_others(patient, labs)
    person = PersonValues(tuple(range(len(observed))), _treatment(courses))
    answers = grade(observed, [person], grader, rules.window)
    link = f"{pages}/patients/{quote(patient, safe='')}"
    found = cards(observed, answers, grader.edition, grader.names, link)
    if any(link.get("relation") == "next" for link in objects(prefetch[_LABS].get("link"))):
        text = "The EHR sent one page of laboratory values: older ones were not graded."
        found.append(notice("Not all laboratory values were graded", text, grader.edition))
    if courses.notes:
        text = "\n".join(f"- {note.path}: {note.text}" for note in courses.notes)
        summary = "A date of radiotherapy could not be read"
        found.append(notice(summary, text, grader.edition))
    return found


def _parse_call(document: object) -> tuple[str, dict[str, Any]]:
    """Return the id of the patient in context, and the prefetch with both of its keys.

    Raises:
        RequestError: a field that the specification requires is missing or wrong.
        BodyProblem: a prefetch key is missing, or its query failed (412); it names the key.
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
    missing = [key for key in (_LABS, _COURSES) if key not in prefetch]
    missing += [key for key in (_LABS, _COURSES) if key not in missing if _failed(key, prefetch)]
    if missing:
        named = ", ".join(missing)
        places = [FieldFault(("prefetch", key), "missing", "this is needed") for key in missing]
        raise BodyProblem(412, f"prefetch lacks {named}", *places)
    return patient, dict(prefetch)


def _failed(key: str, prefetch: Any) -> bool:
    """Return whether the EHR's query failed; null is an answer for courses, but not for labs."""
    value = prefetch[key]
    if value is None:
        return key == _LABS
    return object_of(value).get("resourceType") == "OperationOutcome"


def _parse(prefetch: dict[str, Any], key: str, service: Service) -> Contents:
    most = service.settings.max_bundle_entries
    return read_bundle(prefetch[key], f"prefetch.{key}", most)


def _refuse_others(patient: str, labs: Contents) -> None:
    """Refuse Observations of another patient: the cards would be about the wrong patient."""
    subjects = {source.subject: source.where for source in labs.observations if source.subject}
    faults = [
        FieldFault((where, "subject"), "other-patient", "expected the patient in context")
        for subject, where in subjects.items()
        if subject.rpartition("/")[2] != patient
        and (not subject.startswith("urn:") or len(subjects) > 1)
    ]
    if faults:
        raise RequestError("the laboratory values are not those of the patient in context", faults)


def _treatment(courses: Contents) -> Treatment:
    found = list(courses.treatments.values())
    if len(found) > 1:
        fault = FieldFault(("prefetch", _COURSES), "several-patients", "expected one patient's")
        raise RequestError("the courses of radiotherapy are of several patients", [fault])
    return found[0] if found else Treatment()
