"""What the tests of ``toxgrade pull`` share."""

from collections.abc import Iterator

import pytest

from tests.fhir.resources import coded, observation, procedure, quantity
from tests.server.ehr.fhir_server import FhirServer, fhir_server


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    """A server with one patient: seven results over four pages, and a course of radiotherapy."""
    with fhir_server() as told:
        told.add({"resourceType": "Patient", "id": "1", "gender": "female"}, procedure())
        told.add(*(observation(id=f"b{n}", effectiveDateTime=f"2011-05-0{n}") for n in range(1, 6)))
        told.add(observation(id="before", effectiveDateTime="2011-01-20",
                             valueQuantity=quantity("0.9", "mg/dL")))  # fmt: skip
        told.add(observation(id="wbc", code=coded("6690-2"), referenceRange=None,
                             valueQuantity=quantity("2.8", "10*9/L")))  # fmt: skip
        yield told
