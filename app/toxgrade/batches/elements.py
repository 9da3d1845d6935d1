"""FHIR's elements read leniently: a wrong type is an absent element, never an exception."""

from collections.abc import Iterator, Mapping
from typing import Any

UCUM = "http://unitsofmeasure.org"
LONGEST = 200
"""Characters of a text that is kept; longer ones are nobody's unit, code or number."""


def text_of(value: object) -> str | None:
    """A printable text; None for anything else and for none."""
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()
    return value if fits else None  # type: ignore[return-value]


def object_of(value: object) -> Mapping[str, Any]:
    """An element with parts; empty where there is none."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The elements of a list; older releases of FHIR have one where R4 has a list."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def codes(concept: object, *systems: str) -> Iterator[str]:
    """The codes of a CodeableConcept, those of ``systems`` where any are named."""
    for coding in objects(object_of(concept).get("coding")):
        code = text_of(coding.get("code"))
        if code and (not systems or coding.get("system") in systems):
            yield code


def unit_of(quantity: Mapping[str, Any]) -> str | None:
    """The unit of a Quantity: its UCUM code before the text, and any other code last."""
    code = text_of(quantity.get("code"))
    if code and quantity.get("system") == UCUM:
        return code
    return text_of(quantity.get("unit")) or code
