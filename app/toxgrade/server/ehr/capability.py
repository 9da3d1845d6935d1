"""``GET /fhir/metadata`` and the operation's definition: what this door can do, for machines."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from toxgrade import __version__
from toxgrade.server.ehr.fhir_http import FHIR_JSON, fhir_json
from toxgrade.server.ehr.operation_parameters import PARAMETERS
from toxgrade.server.http.authorization import public

router = APIRouter(prefix="/fhir", tags=["EHR"], dependencies=[public()])

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


@router.get(
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


@router.get(
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
