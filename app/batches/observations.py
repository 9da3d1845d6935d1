"""FHIR R4 Observations as rows of an export; only what a bulk file needs (app/ehr is the door)."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import ReadingError
from app.grading.ranges import read_range

_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def observation_rows(resource: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """One row, or one for each component of an Observation that has its values there.

    Raises:
        ValueError: another resource; names what was expected, never the content.
    """
    if resource.get("resourceType") != "Observation":
        raise ValueError("expected resourceType Observation")
    period = _object(resource.get("effectivePeriod"))
    common = {
        "patient": _patient(_object(resource.get("subject"))),
        "collected": _string(resource.get("effectiveDateTime") or period.get("start")),
        "status": _string(resource.get("status")),
        "source_id": _string(resource.get("id")),
    }
    components = _objects(resource.get("component"))
    has_value = any(key.startswith("value") for key in resource)
    measured = [resource] if has_value or not components else components
    return [common | _measured(one) for one in measured]


def _measured(one: Mapping[str, Any]) -> dict[str, str | None]:
    quantity = _object(one.get("valueQuantity"))
    number = quantity.get("value")
    written = f"{quantity.get('comparator') or ''}{number}" if number is not None else None
    unit = _unit(quantity)
    low, high, limit_unit = _range(_objects(one.get("referenceRange")))
    return {
        "analyte": _code(_object(one.get("code"))),
        "value": written or _string(one.get("valueString") or one.get("valueInteger")),
        "unit": unit,
        "lln": low,
        "uln": high,
        "limit_unit": None if limit_unit == unit else limit_unit,
    }


def _range(ranges: Sequence[Mapping[str, Any]]) -> tuple[str | None, str | None, str | None]:
    """LLN, ULN and their unit, of the only range or the only normal one; else none is taken."""
    normal = [one for one in ranges if "normal" in (_codes(_object(one.get("type"))) or ["normal"])]
    if len(normal) != 1:
        return None, None, None
    low, high = _object(normal[0].get("low")), _object(normal[0].get("high"))
    if low or high:
        unit = _unit(high) or _unit(low)
        return _string(low.get("value")), _string(high.get("value")), unit
    try:
        printed = read_range(_string(normal[0].get("text")) or "")
    except ReadingError:
        return None, None, None
    lln, uln = (None if n is None else f"{n:f}" for n in (printed.lln, printed.uln))
    return lln, uln, printed.unit


def _code(concept: Mapping[str, Any]) -> str | None:
    """The LOINC code, else the first other code, else the text."""
    codings = _objects(concept.get("coding"))
    loinc = [coding for coding in codings if coding.get("system") == _LOINC]
    for coding in (*loinc, *codings):
        if coding.get("code"):
            return _string(coding["code"])
    return _string(concept.get("text"))


def _codes(concept: Mapping[str, Any]) -> list[str]:
    return [str(coding.get("code")) for coding in _objects(concept.get("coding"))]


def _unit(quantity: Mapping[str, Any]) -> str | None:
    coded = quantity.get("code") if quantity.get("system") == _UCUM else None
    return _string(coded or quantity.get("unit") or quantity.get("code"))


def _patient(subject: Mapping[str, Any]) -> str | None:
    """The identifier in ``Patient/123`` or ``urn:uuid:…``."""
    reference = _string(subject.get("reference"))
    return reference and (reference.rpartition("/")[2].removeprefix("urn:uuid:") or None)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _string(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None
