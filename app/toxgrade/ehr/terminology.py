"""The codes that the EHR doors speak: systems, CTCAE terms, grades."""

from toxgrade.criteria.model import Term

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
