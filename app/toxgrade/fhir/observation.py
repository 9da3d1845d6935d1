"""FHIR R4 Observations as the values that laboratories reported, parsed alike for every door.

Nothing is guessed; ``notes`` name what was not taken, by paths below the Observation.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import (
    LONGEST,
    Element,
    Note,
    code_of,
    codes,
    modifier_path,
    note_units,
    object_of,
    objects,
    text_of,
    unit_of,
)
from toxgrade.fhir.reference_range import UNKNOWN_PERSON, Person, choose_range
from toxgrade.grading.indicators import one_indicator
from toxgrade.grading.parse import read_value
from toxgrade.grading.units import Names

_BY_THEMSELVES = frozenset({"component", "referenceRange", "contained"})
_NUMBER_AND_UNIT = re.compile(r"([<>]?=?\s*[0-9.]+)(?:\s*([^\W\d]\S*|%)|\s+(\S+))")
UNREADABLE = "unreadable"  # Stands for a value of a wrong type: it parses as no number.
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
    indicator: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all values of an Observation have in common."""

    collected: str | None
    status: str
    source_id: str | None
    issued: str | None
    is_changed: bool
    notes: tuple[Note, ...]


def read_observation(
    resource: Element, names: Names, person: Person = UNKNOWN_PERSON
) -> list[ObservedValue]:
    """Return the values of an Observation, its own and its components'; none of a panel of members.

    The date is ``effectiveDateTime``, else the end of ``effectivePeriod``, else
    ``effectiveInstant``, never ``issued``. ``person`` decides which reference range applies.
    """
    shared = _shared(resource)
    components = objects(resource.get("component"))
    has_value = bool(_value_names(resource)) or "dataAbsentReason" in resource
    if not components and not has_value and objects(resource.get("hasMember")):
        return []
    elements = [("", resource)] if has_value or not components else []
    elements += [(f"component[{i}]", component) for i, component in enumerate(components)]
    met = Counter[str]()
    return [_observed(path, element, shared, names, person, met) for path, element in elements]


def _shared(resource: Element) -> _Shared:
    notes: list[Note] = []
    collected = _effective(resource, notes)
    status = resource.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        notes.append(Note("status", "status", f"expected one of {', '.join(_STATUSES)}"))
        status = "unknown"
    issued = text_of(object_of(resource.get("meta")).get("lastUpdated"))
    issued = issued or text_of(resource.get("issued"))
    is_changed = _note_modifier(resource, notes)
    return _Shared(collected, status, _source_id(resource), issued, is_changed, tuple(notes))


def _observed(
    path: str, element: Element, shared: _Shared, names: Names, person: Person, met: Counter[str]
) -> ObservedValue:
    """Return the value of an element at ``path``; ``met`` counts the values of each test."""
    notes: list[Note] = []
    quantity = element.get("valueQuantity")
    code = code_of(element, names, notes)
    analyte = names.analyte(code)
    unit = unit_of(quantity) if isinstance(quantity, dict) else None
    if isinstance(quantity, dict) and analyte:
        note_units(quantity, unit, code, analyte, names, notes)

    def is_unit(text: str) -> bool:
        return analyte is not None and names.unit(analyte, text) is not None

    lln, uln, limit_unit = choose_range(element, person, shared.collected, notes, is_unit)
    value, printed_unit = _value(element, notes, is_unit)
    unit = printed_unit or unit
    indicator = _indicator(element)
    if shared.is_changed or (path and _note_modifier(element, notes)):
        value = UNREADABLE
    met[code] += 1
    source_id = shared.source_id
    if met[code] > 1 and source_id:  # It is another result.
        source_id = f"{source_id}#{met[code]}"
    return ObservedValue(
        path=path,
        analyte=code,
        value=value,
        unit=unit,
        lln=lln,
        uln=uln,
        limit_unit=None if limit_unit == unit else limit_unit,
        collected=shared.collected,
        status=shared.status,
        source_id=source_id,
        issued=shared.issued,
        indicator=indicator,
        notes=(*shared.notes, *(note.below(path) for note in notes)),
    )


def _note_modifier(element: Element, notes: list[Note]) -> bool:
    """Return whether a modifier may change what the value means, and say so."""
    if path := modifier_path(element, _BY_THEMSELVES):
        text = "a modifierExtension or implicitRules may change what the value means: not read"
        notes.append(Note(path, "not-understood", text))
    return path is not None


def _indicator(element: Element) -> str | None:
    """Return what the interpretations say, such as ``HH``; None: nothing, or two things."""
    said = objects(element.get("interpretation"))
    texts = [text for one in said if (text := text_of(one.get("text")))]
    return one_indicator([code for one in said for code in codes(one)] or texts)


def _value(
    element: Element, notes: list[Note], is_unit: Callable[[str], bool]
) -> tuple[str | None, str | None]:
    """Return the value as written (None: no number was reported), and the unit in a text."""
    if "dataAbsentReason" in element:
        if _value_names(element):
            text = "a value and a dataAbsentReason contradict each other: the value is not read"
            notes.append(Note("dataAbsentReason", "contradiction", text))
        return None, None
    quantity = element.get("valueQuantity")
    if quantity is not None:
        return _quantity(quantity, notes), None
    if element.get("valueInteger") is not None:
        return _number(element["valueInteger"]), None
    written = element.get("valueString")
    if isinstance(written, str) and (found := _printed(written, is_unit)):
        return found
    if names := _value_names(element):
        notes.append(Note(names[0], "not-a-number", "this value is not a number: not graded"))
    return None, None


def _printed(text: str, is_unit: Callable[[str], bool]) -> tuple[str, str | None] | None:
    """Return number and unit of a text such as ``1.8`` or ``<0.2 mg/dL``; None for any other."""
    match = _NUMBER_AND_UNIT.fullmatch(text.strip()[:LONGEST])
    unit = (match[2] or match[3]) if match else None
    if unit is not None and not is_unit(unit):
        return None
    try:
        return read_value(match[1] if match else text).text, unit
    except ParseError:
        return None


def _quantity(quantity: object, notes: list[Note]) -> str | None:
    if not isinstance(quantity, dict):
        return UNREADABLE
    number, comparator = quantity.get("value"), quantity.get("comparator")
    if number is None:
        return None
    if isinstance(number, str):
        text = "expected a JSON number; the text was read as one"
        notes.append(Note("valueQuantity.value", "string-number", text))
    if comparator is not None and comparator not in ("<", "<=", ">=", ">"):
        text = "expected <, <=, >= or >"
        notes.append(Note("valueQuantity.comparator", "comparator", text))
        return UNREADABLE
    return f"{comparator or ''}{_number(number)}"


def _number(number: object) -> str:
    is_readable = not isinstance(number, bool | list | dict)
    return (is_readable and str(number)[:LONGEST]) or UNREADABLE


def _effective(resource: Element, notes: list[Note]) -> str | None:
    """Return when the specimen was taken, as written; None where no time is given."""
    written = resource.get("effectiveDateTime")
    if written is None:
        written = object_of(resource.get("effectivePeriod")).get("end")
    if written is None:
        written = resource.get("effectiveInstant")
    if written is not None:
        return written[:LONGEST] if isinstance(written, str) else UNREADABLE
    text = "no effectiveDateTime, effectivePeriod.end or effectiveInstant; issued is not used"
    notes.append(Note("effective", "no-date", text))
    return None


def _source_id(resource: Element) -> str | None:
    """Return the id, else the first identifier; None where there is none that ``text_of`` takes."""
    if found := text_of(resource.get("id")):
        return found
    for identifier in objects(resource.get("identifier")):
        if value := text_of(identifier.get("value")):
            return text_of(f"{text_of(identifier.get('system')) or ''}|{value}")
    return None


def _value_names(element: Element) -> list[str]:
    return [key for key in element if key.startswith("value") and element[key] is not None]
