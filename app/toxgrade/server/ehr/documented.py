"""FHIR resources as the OpenAPI document describes them: in short, with FHIR's own definitions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from toxgrade.cohort.described import answer, described
from toxgrade.server.http.document import Responses

Element = Mapping[str, object]

_ISSUE = {
    "severity": "error",
    "code": "invalid",
    "details": {"text": "the request cannot be read"},
    "expression": ["Parameters.parameter[0].name"],
}
_OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "Blood bilirubin increased"},
    "valueInteger": 1,
}


@answer
class Bundle:
    """A Bundle of FHIR R4: https://hl7.org/fhir/R4/bundle.html."""

    resource_type: Literal["Bundle"] = described("Always this.", "Bundle", name="resourceType")
    type: Literal["collection"] = described("Always this.", "collection")
    entry: Annotated[
        Sequence[Element] | SkipJsonSchema[None],
        Field(
            description="Of each Observation that was sent the grades, and OperationOutcomes;"
            " absent if empty.",
            examples=[[{"fullUrl": f"urn:uuid:{UUID(int=7)}", "resource": _OBSERVATION}]],
        ),
    ] = None


@answer
class OperationOutcome:
    """An OperationOutcome of FHIR R4: https://hl7.org/fhir/R4/operationoutcome.html."""

    resource_type: Literal["OperationOutcome"] = described(
        "Always this.", "OperationOutcome", name="resourceType"
    )
    issue: Sequence[Element] = described("What is wrong, and where.", [_ISSUE])


@answer
class CapabilityStatement:
    """A CapabilityStatement of FHIR R4: https://hl7.org/fhir/R4/capabilitystatement.html."""

    resource_type: Literal["CapabilityStatement"] = described(
        "Always this.", "CapabilityStatement", name="resourceType"
    )
    fhir_version: Literal["4.0.1"] = described("R4.", "4.0.1", name="fhirVersion")
    rest: Sequence[Element] = described("The operation that there is.", [{"mode": "server"}])


@answer
class OperationDefinition:
    """An OperationDefinition of FHIR R4: https://hl7.org/fhir/R4/operationdefinition.html."""

    resource_type: Literal["OperationDefinition"] = described(
        "Always this.", "OperationDefinition", name="resourceType"
    )
    code: str = described("The name of the operation.", "ctcae-grade")
    parameter: Sequence[Element] = described(
        "What it takes and gives.", [{"name": "bundle", "use": "in", "type": "Resource"}]
    )


OUTCOMES: Responses = {
    status: {
        "model": OperationOutcome,
        "content": {"application/fhir+json": {}},
        "description": "An OperationOutcome.",
    }
    for status in ("4XX", "5XX")
}
"""The error answers that every route documents."""
