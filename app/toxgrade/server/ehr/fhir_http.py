"""OperationOutcome: how FHIR says what went wrong, and where; and FHIR's JSON."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from toxgrade.errors import FieldFault
from toxgrade.fhir.elements import OWN
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
