"""FHIR over HTTP: its JSON, errors as OperationOutcomes, and what the server can do."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, params
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from toxgrade import __version__
from toxgrade.errors import FieldFault
from toxgrade.fhir.elements import OWN, Element, Note
from toxgrade.server.ehr.documented import (
    CapabilityStatement,
    OperationDefinition,
)
from toxgrade.server.ehr.operation_parameters import DOCUMENTATION, PARAMETERS
from toxgrade.server.http.authorization import public
from toxgrade.server.http.body import BodyProblem
from toxgrade.server.http.problems import HEADERS

FHIR_JSON = "application/fhir+json"
GENERAL = frozenset({"_format", "_pretty", "_summary", "_elements"})
"""Parameters that any FHIR client may send: R4 allows to ignore all but the format."""

_FORMATS = {"json", "application/json", "text/json", FHIR_JSON}
_ACCEPTED = {"*/*", "application/*", "text/*", *_FORMATS}
_VERSIONS = ("4.0", "4.3")  # R4, and R4B, which differs in nothing that is read.


class Negotiated:
    """A dependency that refuses formats and releases of FHIR in which there is no answer."""

    async def __call__(self, request: Request) -> None:
        """Check ``_format``, or ``Accept`` where that is absent.

        Raises:
            BodyProblem: the caller wants something else than JSON of FHIR R4 (406).
        """
        wanted = request.query_params.get("_format")
        if wanted is not None:
            accepts = wanted.replace(" ", "+").partition(";")[0].strip().lower() in _FORMATS
        else:
            accepts = _accepts(request.headers.get("accept", ""))
        if not accepts:
            raise BodyProblem(406, f"answers are {FHIR_JSON}, of fhirVersion 4.0")


def negotiated() -> params.Depends:
    """Declare that a route answers in JSON of FHIR R4 only."""
    return params.Depends(Negotiated())


def _accepts(header: str) -> bool:
    """Return whether an Accept header, where there is one, has a type that is answered in."""
    ranges = [part for part in header.lower().split(",") if part.strip()]
    for part in ranges:
        media, *rest = (piece.strip() for piece in part.split(";"))
        details = dict(
            piece.replace(" ", "").replace('"', "").partition("=")[::2] for piece in rest
        )
        wanted = details.get("q", "1").strip("0.") != ""
        if media in _ACCEPTED and wanted and details.get("fhirversion", "4.0") in _VERSIONS:
            return True
    return not ranges


capability_router = APIRouter(prefix="/fhir", tags=["EHR"], dependencies=[public(), negotiated()])


class FhirJson(JSONResponse):
    """An answer in FHIR's JSON, already encoded."""

    media_type = FHIR_JSON

    def render(self, content: bytes) -> bytes:
        return content


_CHANGED_ON = "2026-11-29"  # The capability statement and the operation last changed then.
_OPERATION = "OperationDefinition/ctcae-grade"
encode = msgspec.json.Encoder(decimal_format="number").encode
"""Write a resource as JSON; a decimal keeps its digits, as in 1.80."""
_ISSUE_TYPE = {
    400: "structure", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported",
    406: "not-supported", 409: "conflict", 412: "required", 413: "too-long",
    415: "not-supported", 422: "invalid", 429: "throttled", 503: "transient", 507: "no-store",
}  # fmt: skip
_ELEMENT = re.compile(
    r"""(?:
    Bundle|Parameters|Observation|Procedure|DiagnosticReport|Patient|acceptedSuggestions|
    birthDate|card|category|code|coding|comparator|component|contained|context|dataAbsentReason|
    effective|effectiveDateTime|effectiveInstant|effectivePeriod|end|entry|feedback|focus|fullUrl|
    hasMember|high|hook|hookInstance|id|identifier|implicitRules|issued|labs|link|low|
    modifierExtension|name|occurrenceDateTime|occurrencePeriod|outcome|outcomeTimestamp|
    overrideReason|parameter|patientId|performedDateTime|performedPeriod|performedString|prefetch|
    radiotherapy|reference|referenceRange|resource|resourceType|result|start|status|subject|
    system|text|type|unit|value|valueBoolean|valueCode|valueCodeableConcept|valueDate|
    valueInteger|valueQuantity|valueRange|valueRatio|valueReference|valueString
    )(?:\[\d+\])?""",
    re.VERBOSE,
)
"""Elements that an expression may name: a sender's own key might be a person's name."""


def fhir_json(resource: Element, status: int = 200) -> Response:
    """Return a resource as a response; its numbers keep the digits with which they were sent."""
    return FhirJson(encode(resource), status)


def issue(
    severity: str, kind: str, code: str, text: str, where: Iterable[str]
) -> dict[str, object]:
    """Return one issue of an outcome; ``code`` is stable, and ``where`` holds FHIRPaths."""
    found: dict[str, object] = {
        "severity": severity,
        "code": kind,
        "details": {"coding": [{"system": OWN, "code": code}], "text": text},
    }
    expressions = [path for path in where if path]
    return found | {"expression": expressions} if expressions else found


def note_issues(notes: Iterable[Note]) -> list[dict[str, object]]:
    """Return an issue for each note; its expression names known elements only."""
    return [
        issue("warning", "business-rule", note.code, note.text, [expression((note.path,))])
        for note in notes
    ]


def outcome(issues: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return an OperationOutcome that holds these issues."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def error_outcome(status: int, detail: str, faults: Sequence[FieldFault] = ()) -> Response:
    """Return the EHR doors' answer to an error: an issue per field, or one for the request."""
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
    """Return a place as FHIRPath, without the keys that are not names of known elements."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            shown = ".".join(p for p in part.split(".") if _ELEMENT.fullmatch(p))
            path += f".{shown}" if path and shown else shown
    return path


@capability_router.get(
    "/metadata",
    response_class=FhirJson,
    response_model=CapabilityStatement,
    summary="What this FHIR server can do",
)
async def get_capability_statement(request: Request) -> Response:
    """A CapabilityStatement: one operation, in JSON."""
    return fhir_json(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _CHANGED_ON,
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
    f"/{_OPERATION}",
    response_class=FhirJson,
    response_model=OperationDefinition,
    summary="What $ctcae-grade takes and gives",
)
async def get_operation_definition(request: Request) -> Response:
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
            "date": _CHANGED_ON,
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
                        "documentation": DOCUMENTATION[name],
                    }
                    for name, (_, kind) in PARAMETERS.items()
                ),
                {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle"},
            ],
        }
    )


def _base(request: Request) -> str:
    return f"{request.base_url}fhir"
