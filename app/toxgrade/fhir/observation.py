"""FHIR R4 Observations as the values that laboratories reported, parsed alike for every door.

Real data are messy: nothing is guessed here, and what was not taken is named in ``notes``. Paths
are FHIRPath below the Observation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import (
    LONGEST,
    Note,
    code_of,
    note_units,
    object_of,
    objects,
    text_of,
    unit_of,
)
from toxgrade.fhir.reference_range import UNKNOWN_PERSON, Person, choose_range
from toxgrade.grading.parse import read_value
from toxgrade.grading.units import Names

_UNREADABLE = "unreadable"  # Stands for a value of a wrong type: it parses as no number.
_STATUSES = (
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error",
    "unknown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObservedValue:
    """One value of an Observation as texts, None where nothing was sent.

    ``path`` leads to the element with the value: empty, or ``component[1]``. ``analyte`` is the
    LOINC code, or ``system|code`` where there is none: no other code or text is taken for a name.
    ``status`` is FHIR's own. ``lln`` and ``uln`` are in ``limit_unit``, or in ``unit`` where that
    is None. A text that is no number or date is passed on, so that its grade gets the reason.
    """

    path: str
    analyte: str
    value: str | None
    unit: str | None
    lln: str | None
    uln: str | None
    limit_unit: str | None
    collected: str | None
    status: str
    source_id: str | None
    issued: str | None
    notes: tuple[Note, ...] = ()


def read_observation(
    resource: Mapping[str, Any], names: Names, person: Person = UNKNOWN_PERSON
) -> list[ObservedValue]:
    """Return the values of an Observation, its own and its components'; none of a panel of members.

    The date is ``effectiveDateTime``, else the end of ``effectivePeriod``, else
    ``effectiveInstant``, never ``issued``. ``person`` decides which reference range applies.
    """
    notes: list[Note] = []
    collected = _effective(resource, notes)
    status = resource.get("status")
    if status not in _STATUSES:
        notes.append(Note("status", "status", f"expected one of {', '.join(_STATUSES)}"))
        status = "unknown"
    shared: dict[str, Any] = {
        "collected": collected,
        "status": status,
        "source_id": _source_id(resource),
        "issued": text_of(resource.get("issued")),
    }
    changed = "modifierExtension" in resource or "implicitRules" in resource
    if changed:
        text = "a modifierExtension or implicitRules may change what the value means: not read"
        notes.append(Note("modifierExtension", "not-understood", text))
    components = objects(resource.get("component"))
    has_value = bool(_value_names(resource)) or "dataAbsentReason" in resource
    if not components and not has_value and objects(resource.get("hasMember")):
        return []
    elements = [("", resource)] if has_value or not components else []
    elements += [(f"component[{i}]", component) for i, component in enumerate(components)]
    values: list[ObservedValue] = []
    for path, element in elements:
        element_notes: list[Note] = []
        changed_here = changed or "modifierExtension" in element
        fields = _element_fields(element, names, person, collected, element_notes)
        if changed_here:
            fields["value"] = _UNREADABLE
        own_notes = tuple(note.below(path) for note in element_notes)
        repeats = sum(value.analyte == fields["analyte"] for value in values)
        if repeats and shared["source_id"]:  # The same test twice in one panel gives two results.
            fields["source_id"] = f"{shared['source_id']}#{repeats + 1}"
        values.append(ObservedValue(path=path, **(shared | fields), notes=(*notes, *own_notes)))
    return values


def observation_rows(resource: Mapping[str, Any], names: Names) -> list[dict[str, str | None]]:
    """Return the values of an Observation as rows of an export with our own columns.

    Raises:
        ValueError: it is another resource; the message has what was expected, never the content.
    """
    if resource.get("resourceType") != "Observation":
        raise ValueError("expected resourceType Observation")
    patient = _patient(resource)
    columns = ("analyte", "value", "unit", "lln", "uln", "limit_unit", "collected", "status",
               "source_id")  # fmt: skip
    return [
        {"patient": patient} | {name: getattr(value, name) for name in columns}
        for value in read_observation(resource, names)
    ]


def _element_fields(
    element: Mapping[str, Any], names: Names, person: Person, collected: str | None,
    notes: list[Note],
) -> dict[str, Any]:  # fmt: skip
    quantity = element.get("valueQuantity")
    code = code_of(element, names, notes)
    analyte = names.analyte(code)
    unit = unit_of(quantity) if isinstance(quantity, dict) else None
    if isinstance(quantity, dict) and analyte:
        note_units(quantity, unit, code, analyte, names, notes)
    lln, uln, limit_unit = choose_range(element, person, collected, notes)
    return {
        "analyte": code,
        "value": _value(element, notes),
        "unit": unit,
        "lln": lln,
        "uln": uln,
        "limit_unit": None if limit_unit == unit else limit_unit,
    }


def _value(element: Mapping[str, Any], notes: list[Note]) -> str | None:
    """Return the value as written, with its comparator; None where no number was reported."""
    if "dataAbsentReason" in element:
        if _value_names(element):
            text = "a value and a dataAbsentReason contradict each other: the value is not read"
            notes.append(Note("dataAbsentReason", "contradiction", text))
        return None
    quantity = element.get("valueQuantity")
    if quantity is not None:
        return _quantity(quantity, notes)
    if element.get("valueInteger") is not None:
        return _number(element["valueInteger"])
    written = element.get("valueString")
    if isinstance(written, str):
        try:
            return read_value(written).text
        except ParseError:
            pass
    if names := _value_names(element):
        notes.append(Note(names[0], "not-a-number", "this value is not a number: not graded"))
    return None


def _quantity(quantity: object, notes: list[Note]) -> str | None:
    if not isinstance(quantity, dict):
        return _UNREADABLE
    number, comparator = quantity.get("value"), quantity.get("comparator")
    if number is None:
        return None
    if isinstance(number, str):
        text = "expected a JSON number; the text was read as one"
        notes.append(Note("valueQuantity.value", "string-number", text))
    if comparator is not None and comparator not in ("<", "<=", ">=", ">"):
        text = "expected <, <=, >= or >"
        notes.append(Note("valueQuantity.comparator", "comparator", text))
        return _UNREADABLE
    return f"{comparator or ''}{_number(number)}"


def _number(number: object) -> str:
    if isinstance(number, bool | list | dict):
        return _UNREADABLE
    return str(number)[:LONGEST] or _UNREADABLE


def _effective(resource: Mapping[str, Any], notes: list[Note]) -> str | None:
    """Return when the specimen was taken, as written; None where no time is given."""
    written = resource.get("effectiveDateTime")
    if written is None:
        written = object_of(resource.get("effectivePeriod")).get("end")
    if written is None:
        written = resource.get("effectiveInstant")
    if written is not None:
        return written[:LONGEST] if isinstance(written, str) else _UNREADABLE
    text = "no effectiveDateTime, effectivePeriod.end or effectiveInstant; issued is not used"
    notes.append(Note("effective", "no-date", text))
    return None


def _source_id(resource: Mapping[str, Any]) -> str | None:
    """Return the id, else the first identifier; None where there is none that ``text_of`` takes."""
    if found := text_of(resource.get("id")):
        return found
    for identifier in objects(resource.get("identifier")):
        if value := text_of(identifier.get("value")):
            return text_of(f"{text_of(identifier.get('system')) or ''}|{value}")
    return None


def _patient(resource: Mapping[str, Any]) -> str | None:
    """Return the id in the subject's ``Patient/123`` or ``urn:uuid:…``; None if there is none."""
    reference = text_of(object_of(resource.get("subject")).get("reference"))
    return reference and (reference.rpartition("/")[2].removeprefix("urn:uuid:") or None)


def _value_names(element: Mapping[str, Any]) -> list[str]:
    return [key for key in element if key.startswith("value") and element[key] is not None]
