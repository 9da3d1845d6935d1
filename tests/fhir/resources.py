"""FHIR resources that tests send: one good Observation, changed where a test says so."""

from decimal import Decimal
from typing import Any

import httpx
import msgspec
from fhir.resources.R4B import get_fhir_model_class

UCUM = "http://unitsofmeasure.org"
ENCODER = msgspec.json.Encoder(decimal_format="number")


def quantity(value: object, unit: str | None = None, **more: object) -> dict[str, Any]:
    given = {} if unit is None else {"unit": unit, "system": UCUM, "code": unit}
    return {"value": Decimal(value) if isinstance(value, str) else value, **given, **more}


def coded(*codes: str, system: str = "http://loinc.org") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def observation(**changed: object) -> dict[str, Any]:
    """Bilirubin 1.8 mg/dL (0.2 to 1.2), grade 1; a field changed to None is left out."""
    good = {
        "resourceType": "Observation", "id": "o1", "status": "final", "code": coded("1975-2"),
        "subject": {"reference": "Patient/1"}, "effectiveDateTime": "2011-04-23",
        "valueQuantity": quantity("1.8", "mg/dL"),
        "referenceRange": [{"low": quantity("0.2", "mg/dL"), "high": quantity("1.2", "mg/dL")}],
    } | changed  # fmt: skip
    return {name: value for name, value in good.items() if value is not None}


def procedure(start: str | None = "2011-01-24", end: str | None = "2011-03-09",
              **changed: object) -> dict[str, Any]:  # fmt: skip
    """A course of radiotherapy, 45 days before ``observation`` at its end."""
    period = {name: day for name, day in (("start", start), ("end", end)) if day}
    return {
        "resourceType": "Procedure", "id": "rt", "status": "completed",
        "code": coded("1217123003", system="http://snomed.info/sct"),
        "subject": {"reference": "Patient/1"}, "performedPeriod": period,
    } | changed  # fmt: skip


def bundle(*resources: dict[str, Any], **changed: object) -> dict[str, Any]:
    entry = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entry} | changed


def parameters(sent: object, **values: object) -> dict[str, Any]:
    """``bundle`` and other parameters; a value's type tells where it stands."""
    places = {"persist": "valueBoolean", "preliminary": "valueBoolean", "output": "valueCode",
              "radiotherapyStart": "valueDate", "radiotherapyEnd": "valueDate"}  # fmt: skip
    given = [{"name": n, places.get(n, "valueString"): v} for n, v in values.items()]
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "bundle", "resource": sent}, *given],
    }


def post(client: httpx.Client, body: object) -> httpx.Response:
    return client.post(
        "/fhir/$ctcae-grade",
        content=ENCODER.encode(body),
        headers={"Content-Type": "application/fhir+json"},
    )


def valid(resource: dict[str, Any]) -> None:
    """As the models of FHIR R4B read it, which for these resources are R4's."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def answered(client: httpx.Client, body: object) -> list[dict[str, Any]]:
    """The resources of the answer, which are valid."""
    answer = post(client, body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/fhir+json"
    resources = [entry["resource"] for entry in answer.json().get("entry", [])]
    for resource in resources[:300]:  # Ten thousand would take minutes.
        valid(resource)
    return resources


def derived(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in resources if one["resourceType"] == "Observation"]


def issues(resources: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Code and expression of every issue."""
    outcomes = [one for one in resources if one["resourceType"] == "OperationOutcome"]
    return [
        (issue["details"]["coding"][0]["code"], issue.get("expression", []))
        for one in outcomes
        for issue in one["issue"]
    ]


def components(one: dict[str, Any]) -> dict[str, Any]:
    """The components of a derived Observation by code; a coded one by its code."""
    found = {}
    for part in one["component"]:
        (value,) = (part[key] for key in part if key.startswith("value"))
        code = part["code"]["coding"][0]["code"]
        found[code] = value["coding"][0]["code"] if isinstance(value, dict) else value
    return found
