"""A FHIR ConceptMap read as a site's dictionary: its local codes, each with LOINC, UCUM or SNOMED.

R4 calls how two codes relate ``equivalence``, R5 ``relationship``; only equal and equivalent codes
may stand for one another (https://hl7.org/fhir/R4/conceptmap.html).
"""

from collections.abc import Mapping
from typing import Any

from toxgrade.errors import ParseError
from toxgrade.fhir.elements import UCUM, objects, text_of

_TABLES = {"http://loinc.org": "analytes", UCUM: "units", "http://snomed.info/sct": "specimens"}
_SAME = {"equal", "equivalent", "relatedto"}
"""``relatedto`` is R4's default where the sender said no more."""


def read_concept_map(resource: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the tables ``analytes``, ``units`` and ``specimens`` (theirs to ours).

    A code of a source system is written ``system|code``, one without a system ``code``; units are
    read by their code alone, because laboratories send them without a system.

    Raises:
        ParseError: a group's target is none of the three systems, or a code is mapped to several
            or only to a wider or narrower one; the message says what is accepted.
    """
    tables: dict[str, dict[str, str]] = {}
    for group in objects(resource.get("group")):
        table = _TABLES.get(group.get("target") or "")
        if table is None:
            accepted = ", ".join(_TABLES)
            raise ParseError("concept-map-target", f"expected group.target to be one of {accepted}")
        source = text_of(group.get("source")) if table == "analytes" else None
        for element in objects(group.get("element")):
            code, targets = text_of(element.get("code")), objects(element.get("target"))
            if code is None or len(targets) != 1 or not _is_same(targets[0]):
                text = "expected each element to have a code and one target, equal or equivalent"
                raise ParseError("concept-map-element", text)
            theirs = f"{source}|{code}" if source else code
            tables.setdefault(table, {})[theirs] = text_of(targets[0].get("code")) or ""
    return tables


def _is_same(target: Mapping[str, Any]) -> bool:
    said = target.get("equivalence") or target.get("relationship") or "relatedto"
    return said in _SAME
