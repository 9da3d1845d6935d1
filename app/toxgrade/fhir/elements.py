"""FHIR's elements read leniently: a wrong type is an absent element, never an exception."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from toxgrade.criteria.model import Term

UCUM = "http://unitsofmeasure.org"
LONGEST = 200
"""Characters of a text that is kept; longer ones are nobody's unit, code or number."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a sender should know of an element: its FHIRPath, a stable code, and why."""

    path: str
    code: str
    text: str

    def below(self, path: str) -> Self:
        """The same, seen from the resource that holds the element ``path``."""
        return replace(self, path=f"{path}.{self.path}") if path else self


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


LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MEDDRA = "https://www.meddra.org"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
OWN = "urn:toxgrade:result"
"""What has no code elsewhere: phase, bounds, baseline grade, reasons."""

RADIOTHERAPY_COURSE = "1217123003"
"""SNOMED CT: radiotherapy course of treatment, the code of mCODE's course summary."""

GRADE_EXTENSION = "http://hl7.org/fhir/uv/ae-research-ig/StructureDefinition/ae-grade"
RADIOTHERAPY_EVENT = (
    "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/"
    "codexrt-radiotherapy-adverse-event"
)
GRADES = {0: "C75533", 1: "C41338", 2: "C41339", 3: "C41340", 4: "C41337", 5: "C48275"}
"""NCI Thesaurus codes of grades, as the CodeX guide lists them."""

# By MedDRA code: NCI Thesaurus concepts of terms, from the CodeX guide's value set of CTCAE terms,
# which is that of version 5.0: `method` says by which version a result was graded.
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


def term_codings(term: Term) -> list[dict[str, str]]:
    """A CTCAE term in MedDRA, and in NCI Thesaurus where its concept is known."""
    found = [{"system": MEDDRA, "code": term.meddra, "display": term.name}]
    if concept := _NCIT.get(term.meddra):
        found.append({"system": NCIT, "code": concept})
    return found


def own(code: str, display: str) -> dict[str, object]:
    """A CodeableConcept of our own system."""
    return {"coding": [{"system": OWN, "code": code, "display": display}]}
