"""A FHIR ConceptMap read as a site's dictionary: its local codes, each with LOINC, UCUM or SNOMED.

R4 calls how two codes relate ``equivalence``, R5 ``relationship``; only equal and equivalent codes
may stand for one another (https://hl7.org/fhir/R4/conceptmap.html).
"""

from collections.abc import Iterable, Iterator

from toxgrade.criteria.model import Analyte
from toxgrade.errors import FieldFault, RequestError
from toxgrade.fhir.elements import LOINC, SNOMED, UCUM, Element, modifier_path, objects, text_of
from toxgrade.grading.dictionary import OTHER
from toxgrade.grading.specimens import specimen_kind
from toxgrade.grading.units import Names

_TABLES = {
    LOINC: "analytes", "urn:oid:2.16.840.1.113883.6.1": "analytes", UCUM: "units",
    SNOMED: "specimens", "http://terminology.hl7.org/CodeSystem/v2-0487": "specimens",
}  # fmt: skip
_SAME = ("equal", "equivalent", None)
"""None: where STU3 says nothing, it means equivalent."""
_NOTHING = ("unmatched", "disjoint", "not-related-to")
"""These say that a code is not one of ours, or not that one."""


def read_concept_map(resource: Element, analytes: Iterable[Analyte]) -> dict[str, dict[str, str]]:
    """Return the tables ``analytes``, ``units`` and ``specimens`` (theirs to ours).

    A code of a source system is written ``system|code``, one without a system ``code``; units and
    specimens are read by their code alone. Tests and units that are not graded are left out, and
    every specimen that is not blood, serum or plasma is ``other``.

    Raises:
        RequestError: a group's target is none of the accepted systems, or a code is mapped to
            several or only to a wider or narrower one; the faults name the elements.
    """
    faults: list[FieldFault] = []
    tables: dict[str, dict[str, str]] = {}
    analytes = list(analytes)
    names = Names(analytes)
    for loc, table, theirs, ours in _pairs(resource, faults):
        taken = _graded(table, ours, names, analytes)
        if taken is not None and tables.setdefault(table, {}).setdefault(theirs, taken) != taken:
            faults.append(FieldFault(loc, "dictionary-twice", "this code is mapped twice"))
    if not tables and not faults:
        text = "expected groups with codes of tests, units or specimens that are graded"
        faults.append(FieldFault(("group",), "concept-map-empty", text))
    if faults:
        raise RequestError("the ConceptMap cannot be accepted", faults)
    return tables


def _pairs(
    resource: Element, faults: list[FieldFault]
) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """Yield place, table, their code and ours of each element; add what is wrong to ``faults``."""
    if path := modifier_path(resource):
        text = "expected none: it may change what the ConceptMap means"
        faults.append(FieldFault((path,), "not-understood", text))
    for i, group in enumerate(objects(resource.get("group"))):
        # In R5 a system may have its version behind it.
        source, target = (
            (text_of(group.get(end)) or "").partition("|")[0] for end in ("source", "target")
        )
        table = _TABLES.get(target)
        if table is None:
            text = f"expected group.target to be one of {', '.join(_TABLES)}"
            faults.append(FieldFault(("group", i, "target"), "concept-map-target", text))
            continue
        for j, element in enumerate(objects(group.get("element"))):
            loc = ("group", i, "element", j)
            targets = [one for one in objects(element.get("target")) if _said(one) not in _NOTHING]
            if not targets:
                continue
            code = text_of(element.get("code"))
            ours = {text_of(one.get("code")) for one in targets if _is_same(one)} - {None}
            if code is None or len(ours) != 1:
                text = "expected each element to have a code and one target, equal or equivalent"
                faults.append(FieldFault(loc, "concept-map-element", text))
            else:
                theirs = f"{source}|{code}" if source and table == "analytes" else code
                yield loc, table, theirs, str(ours.pop())


def _said(target: Element) -> object:
    return target.get("equivalence") or target.get("relationship")


def _is_same(target: Element) -> bool:
    """Return whether a target is the same code, whatever else a message says (``dependsOn``)."""
    return _said(target) in _SAME and not target.get("dependsOn")


def _graded(table: str, ours: str, names: Names, analytes: Iterable[Analyte]) -> str | None:
    """Return our code as a dictionary has it; None where it is of nothing that is graded."""
    if table == "analytes":
        return ours if names.analyte(ours) else None
    if table == "units":
        return ours if any(names.unit(analyte, ours) for analyte in analytes) else None
    return OTHER if specimen_kind(ours) == "other" else ours
