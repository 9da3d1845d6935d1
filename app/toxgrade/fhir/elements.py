"""FHIR elements, codes and units, parsed leniently: an element of a wrong type counts as absent."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from toxgrade.criteria.model import Analyte
from toxgrade.grading.units import Names

UCUM = "http://unitsofmeasure.org"
Element = Mapping[str, object]
"""An element or resource as JSON: its parts may be anything until they are looked at."""

LONGEST = 200
"""The most characters of a text that is taken: no unit, code or number is longer."""


@dataclass(frozen=True, slots=True)
class Note:
    """A remark to the sender about an element: its FHIRPath, a stable code, and a sentence."""

    path: str
    code: str
    text: str

    def below(self, path: str) -> Self:
        """Return the same note with the path as seen from the resource that holds ``path``."""
        return replace(self, path=f"{path}.{self.path}") if path else self


def text_of(value: object) -> str | None:
    """Return a printable text of 1 to ``LONGEST`` characters; None for anything else."""
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()
    return value if fits else None  # type: ignore[return-value]


def object_of(value: object) -> Element:
    """Return an element that has parts; an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, object]]:
    """Return the elements of a list; older releases of FHIR have one element instead of a list."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def version_number(resource: Element) -> int | None:
    """Return the number of a resource's version (``meta.versionId``); None if that is no number."""
    found = text_of(object_of(resource.get("meta")).get("versionId")) or ""
    return int(found) if found.isascii() and found.isdecimal() and len(found) < 19 else None


def codes(concept: object, *systems: str) -> Iterator[str]:
    """Yield the codes of a CodeableConcept, only those of ``systems`` where any are named."""
    for coding in objects(object_of(concept).get("coding")):
        code = text_of(coding.get("code"))
        if code and (not systems or coding.get("system") in systems):
            yield code


MODIFIERS = ("modifierExtension", "implicitRules")
_WORD = re.compile("[^\\W\\d_]+|[+\u2600-\u27bf\U0001f000-\U0001faff]")
"""A word, or a sign that stands for one: of a sex, a child, a pregnancy, an age and above."""
_DEEPEST = 8  # No element that is read lies deeper.


def modifier_path(element: object, skip: Container[str] = (), depth: int = _DEEPEST) -> str | None:
    """Return the path of the first modifier in an element; None if there is none.

    We know no modifierExtension and no implicitRules, so that an element with one cannot be
    understood (R4, extensibility.html#modifierExtension). Parts named in ``skip`` are not read.
    """
    if isinstance(element, dict):
        for name, part in element.items():
            if name in MODIFIERS and part not in (None, []):
                return str(name)
            deeper = isinstance(part, dict | list) and depth and name not in skip
            if deeper and (path := modifier_path(part, (), depth - 1)):
                return f"{name}{path}" if path.startswith("[") else f"{name}.{path}"
    elif isinstance(element, list) and depth:
        for i, part in enumerate(element):
            if path := modifier_path(part, (), depth - 1):
                return f"[{i}].{path}"
    return None


def unit_of(quantity: Element) -> str | None:
    """Return the unit of a Quantity: its UCUM code, else its text, else any other code."""
    code = text_of(quantity.get("code"))
    if code and quantity.get("system") == UCUM:
        return code
    return text_of(quantity.get("unit")) or code


def words_beside_units(
    text: str, units: Iterable[str], is_unit: Callable[[str], bool]
) -> list[str]:
    """Return the words of a text that are no units: neither of ``units`` nor by ``is_unit``."""
    for unit in sorted(units, key=len, reverse=True):
        whole = rf"(?<![^\W\d_]){re.escape(unit)}(?![^\W\d_])"
        text = re.sub(whole, " ", text, flags=re.IGNORECASE)

    def is_known(token: str) -> bool:
        bare = token.strip("()[],;:")
        forms = (bare, bare.lstrip("0123456789.,-–<>=≤≥"))
        return "{" not in bare and any(form and is_unit(form) for form in forms)

    rest = " ".join(token for token in text.split() if not is_known(token))
    return _WORD.findall(rest.casefold())


LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MEDDRA = "https://www.meddra.org"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
DATA_ABSENT_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
OWN = "urn:toxgrade:result"
"""Code system of what has no code elsewhere: phase, bounds, baseline grade, reasons."""

RADIOTHERAPY_COURSE = "1217123003"
"""SNOMED CT: radiotherapy course of treatment, the code of mCODE's course summary."""

SNOMED_REQUESTED = "http://hl7.org/fhir/us/mcode/CodeSystem/snomed-requested-cs"
FORMER_COURSE = "USCRS-33529"
"""The same course in mCODE STU2, before SNOMED CT had its code."""

OTHER_RADIOTHERAPY = (
    "108290001", "1287742003", "1222565005", "1255724003", "33195004", "152198000",
    "USCRS-33527", "USCRS-33951",
)  # fmt: skip
"""Radiotherapy in general, phases, plans, teleradiotherapy, brachytherapy: no whole course."""

GRADE_EXTENSION = "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/ae-grade"
RADIOTHERAPY_EVENT = (
    "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/"
    "codexrt-radiotherapy-adverse-event"
)
GRADES = {0: "C75533", 1: "C41338", 2: "C41339", 3: "C41340", 4: "C41337", 5: "C48275"}
"""NCI Thesaurus codes of the grades, as the CodeX guide lists them."""

# NCI Thesaurus concepts of terms by MedDRA code, from the CodeX guide's value set of CTCAE terms.
# The value set is of version 5.0; `method` says by which version a result was graded.
_NCIT = {
    "10005364": "C143325",  # Blood bilirubin increased
    "10001551": "C143267",  # Alanine aminotransferase increased
    "10003481": "C143301",  # Aspartate aminotransferase increased
    "10001675": "C143269",  # Alkaline phosphatase increased
    "10056910": "C143516",  # GGT increased
    "10020943": "C143564",  # Hypoalbuminemia
    "10049182": "C143948",  # White blood cell decreased
    "10035528": "C143764",  # Platelet count decreased
    "10029366": "C143704",  # Neutrophil count decreased
    "10025256": "C143662",  # Lymphocyte count decreased
    "10002272": "C143283",  # Anemia
}


def term_codings(term: str, meddra: str) -> list[dict[str, str]]:
    """Return the codings of a CTCAE term: MedDRA, and NCI Thesaurus where its concept is known."""
    found = [{"system": MEDDRA, "code": meddra, "display": term}]
    if concept := _NCIT.get(meddra):
        found.append({"system": NCIT, "code": concept})
    return found


def own(code: str, display: str) -> dict[str, object]:
    """Return a CodeableConcept of our own code system."""
    return {"coding": [{"system": OWN, "code": code, "display": display}]}


_LOINC_SYSTEMS = ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1")
# Codes of the tests that LOINC has by both properties, [Mass/volume] and [Moles/volume].
_MASS = {
    "1975-2", "42719-5", "59827-6", "59828-4", "1751-7", "61151-7", "61152-5", "2862-1", "76631-1",
    "718-7", "20509-6", "2160-0", "38483-4",
}  # fmt: skip
_MOLAR = {
    "14631-6", "54363-7", "77137-8", "89871-8", "89872-6", "97770-2", "54347-0", "62234-0",
    "62235-7", "59260-0", "14682-9", "59826-8",
}  # fmt: skip


def code_of(element: Element, names: Names, notes: list[Note]) -> str:
    """Return the LOINC code of all codings, else ``system|code`` as the site's dictionary has it.

    Where they name several tests, a text of no analyte.
    """
    codings = objects(object_of(element.get("code")).get("coding"))
    written = [
        (text_of(c.get("system")), code) for c in codings if (code := text_of(c.get("code")))
    ]
    loinc = dict.fromkeys(code for system, code in written if system in _LOINC_SYSTEMS)
    local = [f"{system or ''}|{code}"[:LONGEST] for system, code in written if code not in loinc]
    mapped = [text for text in local if names.analyte(text)]
    tests = {a.name for code in (*loinc, *mapped) if (a := names.analyte(code))}
    tests |= {refused for code in loinc if (refused := names.refusal(code))}
    if len(tests) > 1:
        text = "the codes name different tests: none is taken"
        notes.append(Note("code", "contradiction", text))
        return "|".join((*loinc, *mapped))[:LONGEST]
    known = [code for code in loinc if names.analyte(code) or names.refusal(code)]
    return next(iter([*known, *mapped, *loinc, *local]), "(no code)")


def note_units(
    quantity: Element, unit: str | None, code: str, analyte: Analyte, names: Names,
    notes: list[Note],
) -> None:  # fmt: skip
    """Add a note where the unit's code and text, or the LOINC code and the unit, disagree."""
    shown = text_of(quantity.get("unit"))
    other_kind = {"mass": _MOLAR, "molar": _MASS}
    if shown == unit and code not in _MASS and code not in _MOLAR:
        return  # Nothing could disagree.
    used = names.unit(analyte, unit) if unit else None
    other = names.unit(analyte, shown) if shown and shown != unit else None
    if used and other and used != other:
        text = "code and unit name different units: the code is used"
        notes.append(Note("valueQuantity.unit", "unit-disagreement", text))
    if used and code in other_kind.get(used.kind, ()):
        text = f"the code is not one for {used.kind} concentrations, the unit is: the unit is used"
        notes.append(Note("valueQuantity", "code-unit-mismatch", text))
