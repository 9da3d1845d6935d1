"""Which test an Observation is of: its LOINC codes, and whether its unit agrees with them."""

from collections.abc import Mapping
from typing import Any

from toxgrade.criteria.model import Analyte
from toxgrade.fhir.elements import LONGEST, Note, object_of, objects, text_of
from toxgrade.grading.units import Names

_LOINC = ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1")
# LOINC's property of the codes that come in both forms, [Mass/volume] and [Moles/volume].
_MASS = {
    "1975-2", "42719-5", "59827-6", "59828-4", "1751-7", "61151-7", "61152-5", "2862-1", "76631-1",
    "718-7", "20509-6", "2160-0", "38483-4",
}  # fmt: skip
_MOLAR = {
    "14631-6", "54363-7", "77137-8", "89871-8", "89872-6", "97770-2", "54347-0", "62234-0",
    "62235-7", "59260-0", "14682-9", "59826-8",
}  # fmt: skip


def code_of(one: Mapping[str, Any], names: Names, notes: list[Note]) -> str:
    """The LOINC code among all codings; where they name different tests, none that is graded."""
    codings = objects(object_of(one.get("code")).get("coding"))
    written = [
        (text_of(c.get("system")), code) for c in codings if (code := text_of(c.get("code")))
    ]
    loinc = [code for system, code in written if system in _LOINC]
    named = {a.name for code in loinc if (a := names.analyte(code))}
    named |= {refused for code in loinc if (refused := names.refusal(code))}
    if len(named) > 1:
        text = "the LOINC codes name different tests: none is taken"
        notes.append(Note("code", "contradiction", text))
        return "|".join(loinc)[:LONGEST]
    known = [code for code in loinc if names.analyte(code) or names.refusal(code)]
    if loinc:
        return (known or loinc)[0]
    return f"{written[0][0] or ''}|{written[0][1]}"[:LONGEST] if written else "(no code)"


def note_units(
    quantity: Mapping[str, Any], unit: str | None, code: str, analyte: Analyte, names: Names,
    notes: list[Note],
) -> None:  # fmt: skip
    """Say where the two spellings of the unit, or the code and the unit, disagree."""
    shown = text_of(quantity.get("unit"))
    kinds = {"mass": _MOLAR, "molar": _MASS}
    if shown == unit and code not in _MASS and code not in _MOLAR:
        return  # nothing that could disagree
    used = names.unit(analyte, unit) if unit else None
    other = names.unit(analyte, shown) if shown and shown != unit else None
    if used and other and used != other:
        text = "code and unit name different units: the code is used"
        notes.append(Note("valueQuantity.unit", "unit-disagreement", text))
    if used and code in kinds.get(used.kind, ()):
        text = f"the code is not one for {used.kind} concentrations, the unit is: the unit is used"
        notes.append(Note("valueQuantity", "code-unit-mismatch", text))
