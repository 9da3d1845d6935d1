"""OperationOutcome: how FHIR says what went wrong, and where; and FHIR's JSON."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from toxgrade import __version__
from toxgrade.errors import FieldFault
from toxgrade.fhir.elements import OWN
from toxgrade.server.ehr.operation_parameters import PARAMETERS
from toxgrade.server.http.authorization import public
from toxgrade.server.http.body import JsonRequest, JsonRoute
from toxgrade.server.http.problems import HEADERS

FHIR_JSON = "application/fhir+json"

OUTCOMES: dict[int | str, dict[str, Any]] = {
    status: {"content": {FHIR_JSON: {}}, "description": "An OperationOutcome."}
    for status in ("4XX", "5XX")
}
"""The error answers as every route documents them."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")  # 1.80 stays 1.80
_ISSUE_TYPE = {
    400: "structure", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported",
    409: "conflict", 412: "required", 413: "too-long", 415: "not-supported", 422: "invalid",
    429: "throttled", 503: "transient", 507: "no-store",
}  # fmt: skip
_ELEMENT = re.compile(
    r"""(?:
    Bundle|Parameters|Observation|Procedure|birthDate|category|code|coding|comparator|component|
    contained|context|dataAbsentReason|effective|effectiveDateTime|effectiveInstant|
    effectivePeriod|end|entry|fullUrl|hasMember|high|hook|hookInstance|id|identifier|
    implicitRules|issued|labs|link|low|modifierExtension|name|parameter|patientId|
    performedDateTime|performedPeriod|prefetch|radiotherapy|reference|referenceRange|resource|
    resourceType|start|status|subject|system|text|type|unit|value|valueBoolean|valueCode|
    valueCodeableConcept|valueDate|valueInteger|valueQuantity|valueRange|valueRatio|
    valueReference|valueString
    )(?:\[\d+\])?""",
    re.VERBOSE,
)
"""Elements that an expression may name: a sender's own key could be anything, a name included."""


def fhir_json(resource: object, status: int = 200) -> Response:
    """A resource as an answer; numbers keep the digits they came with."""
    return Response(_ENCODER.encode(resource), status, media_type=FHIR_JSON)


def issue(severity: str, kind: str, code: str, text: str, where: Iterable[str]) -> dict[str, Any]:
    """One issue of an outcome; ``code`` is stable, ``where`` FHIRPath."""
    found: dict[str, Any] = {
        "severity": severity,
        "code": kind,
        "details": {"coding": [{"system": OWN, "code": code}], "text": text},
    }
    expressions = [path for path in where if path]
    return found | {"expression": expressions} if expressions else found


def outcome(issues: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def error_outcome(status: int, detail: str, faults: Sequence[FieldFault] = ()) -> Response:
    """The answer of the EHR doors for an error: an issue per field, or one for the request."""
    kind = _ISSUE_TYPE.get(status, "exception" if status >= 500 else "processing")
    name = HTTPStatus(status).phrase.lower().replace(" ", "-")
    issues = [
        issue("error", kind, fault.code, f"{detail}: {fault.message}", [expression(fault.loc)])
        for fault in faults
    ]
    answer = fhir_json(outcome(issues or [issue("error", kind, name, detail, [])]), status)
    answer.headers.update(HEADERS.get(status, {}))
    return answer


def expression(loc: Sequence[str | int]) -> str:
    """A place as FHIRPath; a key that could be anything but an element's name is left out."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            shown = ".".join(p for p in part.split(".") if _ELEMENT.fullmatch(p))
            path += f".{shown}" if path and shown else shown
    return path


class BundleRequest(JsonRequest):
    """A request of at most ``TOXGRADE_MAX_BUNDLE_BYTES``."""

    media_type = "application/fhir+json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_bundle_bytes)


class BundleRoute(JsonRoute):
    """A route whose body is read by ``BundleRequest``."""

    @property
    def request_class(self) -> type[JsonRequest]:
        return BundleRequest


capability_router = APIRouter(prefix="/fhir", tags=["EHR"], dependencies=[public()])

_WRITTEN = "2026-11-25"  # when these two documents last changed
_OPERATION = "OperationDefinition/ctcae-grade"
_SAYS = {
    "bundle": "Observations to grade, with Patients and radiotherapy Procedures where there are.",
    "patient": "The study's pseudonym: says that all is one patient's, and names who is stored.",
    "radiotherapyStart": "First day of radiotherapy; goes before any Procedure.",
    "radiotherapyEnd": "Last day of radiotherapy; goes before any Procedure.",
    "study": "The study whose rules decide, and that stores.",
    "persist": "Store the results under the patient; false if absent.",
    "output": "observation (if absent) or adverse-event.",
    "preliminary": "Grade preliminary results too; not with persist.",
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {FHIR_JSON: {}}, "description": "A resource of FHIR R4."}
}


@capability_router.get(
    "/metadata", summary="What this FHIR server can do", responses=_RESPONSES,
    response_class=Response,
)  # fmt: skip
async def metadata(request: Request) -> Response:
    """A CapabilityStatement: one operation, in JSON."""
    return fhir_json(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _WRITTEN,
            "kind": "instance",
            "software": {"name": "Toxgrade", "version": __version__},
            "implementation": {
                "description": "Grades laboratory toxicity by CTCAE v4.03.",
                "url": f"{_base(request)}",
            },
            "fhirVersion": "4.0.1",
            "format": ["json", FHIR_JSON],
            "rest": [
                {
                    "mode": "server",
                    "operation": [
                        {"name": "ctcae-grade", "definition": f"{_base(request)}/{_OPERATION}"}
                    ],
                }
            ],
        }
    )


@capability_router.get(
    f"/{_OPERATION}", summary="What $ctcae-grade takes and gives", responses=_RESPONSES,
    response_class=Response,
)  # fmt: skip
async def definition(request: Request) -> Response:
    """An OperationDefinition."""
    return fhir_json(
        {
            "resourceType": "OperationDefinition",
            "id": "ctcae-grade",
            "url": f"{_base(request)}/{_OPERATION}",
            "version": __version__,
            "name": "CtcaeGrade",
            "title": "Grade laboratory Observations by CTCAE v4.03",
            "status": "active",
            "kind": "operation",
            "date": _WRITTEN,
            "description": "Answers every Observation of a Bundle by a derived one that holds its"
            " grade, or says why there is none, acute or late after radiotherapy.",
            "affectsState": True,
            "code": "ctcae-grade",
            "system": True,
            "type": False,
            "instance": False,
            "parameter": [
                *(
                    {
                        "name": name,
                        "use": "in",
                        "min": int(name == "bundle"),
                        "max": "1",
                        "type": kind,
                        "documentation": _SAYS[name],
                    }
                    for name, (_, kind) in PARAMETERS.items()
                ),
                {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle"},
            ],
        }
    )


def _base(request: Request) -> str:
    return f"{request.base_url}fhir"
