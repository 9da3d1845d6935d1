"""Public clients of FHIR that talk to a running service and read its answers strictly."""

from typing import Any

import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.operationoutcome import OperationOutcome
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome as RefusedOutcome

from tests.fhir.resources import bundle, observation, parameters, procedure

SENT: dict[str, Any] = bundle(procedure(), observation(valueQuantity={
    "value": 1.8, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    referenceRange=[{"low": {"value": 0.2}, "high": {"value": 1.2}}]))  # fmt: skip


def test_fhirpy(stateless: httpx.Client) -> None:
    client = SyncFHIRClient(f"{stateless.base_url}/fhir")
    answer = client.execute("$ctcae-grade", method="POST", data=SENT, params={"_format": "json"})
    (found,) = (entry["resource"] for entry in answer["entry"])
    assert (found["resourceType"], found["valueInteger"]) == ("Observation", 1)
    assert client.execute("metadata", method="GET")["fhirVersion"] == "4.0.1"
    with pytest.raises(RefusedOutcome) as refused:
        client.execute("$ctcae-grade", method="POST", data={"resourceType": "Encounter"})
    assert refused.value.resource["issue"][0]["expression"] == ["resourceType"]


def test_fhirclient(stateless: httpx.Client) -> None:
    """Its models take no element that R4 does not have, and no value of another type."""
    base = f"{stateless.base_url}/fhir"
    server = FHIRClient(settings={"app_id": "tests", "api_base": base}).server
    for output in ("observation", "adverse-event"):
        answer = server.post_json("$ctcae-grade", parameters(SENT, output=output)).json()
        assert len(Bundle(answer).entry) == 1
    unread = bundle(observation(valueQuantity=None, referenceRange=None))
    undecided = server.post_json("$ctcae-grade", unread).json()
    assert isinstance(Bundle(undecided).entry[1].resource, OperationOutcome)
    assert CapabilityStatement(server.request_json("metadata")).fhirVersion == "4.0.1"
