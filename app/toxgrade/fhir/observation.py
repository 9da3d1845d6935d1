"""FHIR R4 Observations as what laboratories reported, one reading for every door.

Real data are messy: nothing here is guessed, and what was left aside is said in ``notes``. Paths
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
from toxgrade.fhir.reference_range import UNKNOWN_PERSON, Person, chosen_range
from toxgrade.grading.parse import read_value
from toxgrade.grading.units import Names

_UNREADABLE = "unreadable"  # stands for a value of the wrong type: no reader takes it for a number
_STATUSES = (
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error",
    "unknown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObservedValue:
    """One value of an Observation as texts, None where nothing was sent.

    ``path`` leads to the element that holds it: empty, or ``component[1]``. ``analyte`` is the
    LOINC code, or ``system|code`` where there is none: no other code or text is taken for a name.
    ``status`` is FHIR's own. ``lln`` and ``uln`` are in ``limit_unit``, or in ``unit`` where that
    is None. Texts that cannot be read as numbers or dates are left for the grader to say so.
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
    """The values of an Observation: its own, and each component's; none for a panel of members.

    The date is ``effectiveDateTime``, else the end of ``effectivePeriod``, else
    ``effectiveInstant``; ``issued`` never is. ``person`` decides which reference range applies.
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
    own = bool(_values(resource)) or "dataAbsentReason" in resource
    if not components and not own and objects(resource.get("hasMember")):
        return []
    measured = [("", resource)] if own or not components else []
    measured += [(f"component[{i}]", component) for i, component in enumerate(components)]
    found: list[ObservedValue] = []
    for path, one in measured:
        more: list[Note] = []
        changed_here = changed or "modifierExtension" in one
        fields = _measured(one, names, person, collected, more)
        if changed_here:
            fields["value"] = _UNREADABLE
        below = tuple(note.below(path) for note in more)
        again = sum(before.analyte == fields["analyte"] for before in found)
        if again and shared["source_id"]:  # the same test twice in one panel: two results
            fields["source_id"] = f"{shared['source_id']}#{again + 1}"
        found.append(ObservedValue(path=path, **(shared | fields), notes=(*notes, *below)))
    return found


def observation_rows(resource: Mapping[str, Any], names: Names) -> list[dict[str, str | None]]:
    """The values as rows of an export, by our own columns' names.

    Raises:
        ValueError: another resource; names what was expected, never the content.
    """
    if resource.get("resourceType") != "Observation":
        raise ValueError("expected resourceType Observation")
    patient = _patient(resource)
    columns = ("analyte", "value", "unit", "lln", "uln", "limit_unit", "collected", "status",
               "source_id")  # fmt: skip
    return [
        {"patient": patient} | {name: getattr(one, name) for name in columns}
        for one in read_observation(resource, names)
    ]


def _measured(
    one: Mapping[str, Any], names: Names, person: Person, collected: str | None, notes: list[Note]
) -> dict[str, Any]:
    quantity = one.get("valueQuantity")
    code = code_of(one, names, notes)
    analyte = names.analyte(code)
    unit = unit_of(quantity) if isinstance(quantity, dict) else None
    if isinstance(quantity, dict) and analyte:
        note_units(quantity, unit, code, analyte, names, notes)
    lln, uln, limit_unit = chosen_range(one, person, collected, notes)
    return {
        "analyte": code,
        "value": _value(one, notes),
        "unit": unit,
        "lln": lln,
        "uln": uln,
        "limit_unit": None if limit_unit == unit else limit_unit,
    }


def _value(one: Mapping[str, Any], notes: list[Note]) -> str | None:
    """The value as written, with its comparator; None where no number was reported."""
    if "dataAbsentReason" in one:
        if _values(one):
            text = "a value and a dataAbsentReason contradict each other: the value is not read"
            notes.append(Note("dataAbsentReason", "contradiction", text))
        return None
    quantity = one.get("valueQuantity")
    if quantity is not None:
        return _quantity(quantity, notes)
    if one.get("valueInteger") is not None:
        return _number(one["valueInteger"])
    written = one.get("valueString")
    if isinstance(written, str):
        try:
            return read_value(written).text
        except ParseError:
            pass
    if found := _values(one):
        notes.append(Note(found[0], "not-a-number", "this value is not a number: not graded"))
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
    """When the specimen was taken, as written."""
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
    """The id, else the first identifier; None where neither can be kept as it is."""
    if found := text_of(resource.get("id")):
        return found
    for identifier in objects(resource.get("identifier")):
        if value := text_of(identifier.get("value")):
            return text_of(f"{text_of(identifier.get('system')) or ''}|{value}")
    return None


def _patient(resource: Mapping[str, Any]) -> str | None:
    """The identifier in ``Patient/123`` or ``urn:uuid:…``."""
    reference = text_of(object_of(resource.get("subject")).get("reference"))
    return reference and (reference.rpartition("/")[2].removeprefix("urn:uuid:") or None)


def _values(one: Mapping[str, Any]) -> list[str]:
    return [key for key in one if key.startswith("value") and one[key] is not None]
