"""The prefetch of a CDS Hooks call: whose resources the EHR sent, and what it did not send."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from toxgrade.criteria.model import Criteria
from toxgrade.errors import FieldFault, RequestError
from toxgrade.fhir.bundle import Contents, Treatment, read_bundle
from toxgrade.fhir.elements import (
    FORMER_COURSE,
    RADIOTHERAPY_COURSE,
    SNOMED,
    SNOMED_REQUESTED,
    Element,
    object_of,
    objects,
    text_of,
)
from toxgrade.server.ehr.fhir_http import expression

LABS, COURSES = "labs", "radiotherapy"

_MOST_LABS = 200
_PATIENT = re.compile(r"(?:https?://([^/|]+?)(?::(?:80|443))?(/[^|]*)?/)?Patient/([^/|]+)")
"""A reference to a Patient: host and path of the server if it is absolute, and the id."""
_PARTIAL = ("incomplete", "suppressed")  # Issues that mean this whatever their severity is.


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What came about the patient in context; the gaps say in sentences what did not."""

    labs: Contents
    treatment: Treatment
    lab_gaps: tuple[str, ...]
    course_gaps: tuple[str, ...]


def templates(criteria: Criteria) -> dict[str, str]:
    """Return the queries that the EHR runs beforehand.

    The codes stand without their system, which every server takes, so that the address stays
    under 2,000 characters; what has the same code in another system is not graded.
    """
    codes = ",".join(code for analyte in criteria.analytes.values() for code in analyte.loinc)
    course = f"{SNOMED}|{RADIOTHERAPY_COURSE},{SNOMED_REQUESTED}|{FORMER_COURSE}"
    patient = "patient={{context.patientId}}"
    return {
        LABS: f"Observation?{patient}&code={codes}&_sort=-date&_count={_MOST_LABS}",
        COURSES: f"Procedure?{patient}&code={course}",
    }


def is_outcome(sent: object) -> bool:
    """Return whether this is the outcome of a query that failed, in the place of its answer."""
    return object_of(sent).get("resourceType") == "OperationOutcome"


def read_prefetch(patient: str, prefetch: Element, max_entries: int) -> Prefetched:
    """Read what came about the patient in context; courses may be null or an OperationOutcome.

    Raises:
        RequestError: a resource is another patient's, or cannot be read as FHIR.
        TooLarge: more than ``max_entries`` entries.
    """
    labs = read_bundle(prefetch[LABS], f"prefetch.{LABS}", max_entries)
    lab_gaps = [*_missing(prefetch[LABS], "laboratory values", _MOST_LABS), *_notes(labs)]
    sent, courses, course_gaps = prefetch[COURSES], Contents(), []
    if is_outcome(sent):
        course_gaps.append("The EHR could not look for courses of radiotherapy.")
    elif sent is not None:
        courses = read_bundle(sent, f"prefetch.{COURSES}", max_entries)
        course_gaps += [*_missing(sent, "courses of radiotherapy"), *_notes(courses)]
    _refuse_others(patient, prefetch, labs, courses)
    for place in courses.treatments.pop(None, Treatment()).places:
        course_gaps.append(f"{place}.subject: this course names no patient and is not taken")
    treatment = next(iter(courses.treatments.values()), Treatment())
    return Prefetched(labs, treatment, tuple(lab_gaps), tuple(course_gaps))


def _notes(contents: Contents) -> list[str]:
    return [f"{expression((note.path,))}: {note.text}" for note in contents.notes]


def _missing(bundle: object, what: str, asked: int | None = None) -> Iterator[str]:
    """Yield how the answer to a query shows that it is not whole."""
    page = object_of(bundle)
    entries = objects(page.get("entry"))
    outcomes = [object_of(entry.get("response")).get("outcome") for entry in entries]
    outcomes += [entry.get("resource") for entry in entries]
    if any(is_partial(object_of(one)) for one in outcomes):
        yield f"The EHR says that it did not find all {what}."
    modes = [
        object_of(entry.get("search")).get("mode", "match")
        for entry in entries
        if entry.get("resource") is not None and not is_outcome(entry["resource"])
    ]
    matches, total = modes.count("match"), page.get("total")
    if any(link.get("relation") == "next" for link in objects(page.get("link"))):
        yield f"The EHR sent one page of {what}: others are missing."
    elif isinstance(total, int) and total > matches:
        yield f"The EHR found more {what} than it sent."
    elif asked is not None and matches >= asked:
        yield f"The EHR sent the newest {matches} {what}: older ones may be missing."


def is_partial(resource: Element) -> bool:
    """Return whether this is an outcome that says that other resources are missing."""
    issues = objects(resource.get("issue"))
    return is_outcome(resource) and (
        not issues
        or any(one.get("severity") not in ("warning", "information") for one in issues)
        or any(one.get("code") in _PARTIAL for one in issues)
    )


def _refuse_others(patient: str, prefetch: Element, labs: Contents, courses: Contents) -> None:
    """Refuse resources of another patient: the cards would be about the wrong one.

    An id is its server's own, so that all absolute references must lead to one server. A URN that
    no Patient explains is taken if nobody else is named.
    """
    found: dict[str, str] = {}
    for who, place in _subjects(labs, courses):
        found.setdefault(who, place)
    written = _written(prefetch)
    if len(found) == 1 and all(who.startswith("urn:") and "|" not in who for who in found):
        found = {}  # It is the one in context, unless somebody else is written.
    others, server = [], None
    for who, place in [*found.items(), *written.items()]:
        match = _PATIENT.fullmatch(who)
        its_server = (match[1].lower(), match[2]) if match and match[1] else None
        if not match or match[3] != patient or (server and its_server not in (None, server)):
            others.append(place)
        else:
            server = server or its_server
    if others:
        text = "expected the patient in context, on one server"
        places = dict.fromkeys(others)
        faults = [FieldFault((place, "subject"), "other-patient", text) for place in places]
        raise RequestError("not all resources are those of the patient in context", faults)


def _subjects(labs: Contents, courses: Contents) -> Iterator[tuple[str, str]]:
    """Yield whom reading the Bundles found, with a place; nobody for a subject that is not read."""
    for one in labs.observations:
        if one.subject is not None or one.resource.get("subject") is not None:
            yield one.subject or "", one.where
    for who, treatment in courses.treatments.items():
        if who is not None:
            yield who, next(iter(treatment.places), f"prefetch.{COURSES}")


def _written(prefetch: Element) -> dict[str, str]:
    """Return the references to Patients as written, because reading leaves out their servers.

    A conditional one (``Patient?identifier=``) stands in no answer to a query; it is nobody's here.
    """
    found: dict[str, str] = {}
    for key in (LABS, COURSES):
        for i, entry in enumerate(objects(object_of(prefetch[key]).get("entry"))):
            resource = object_of(entry.get("resource"))
            if name := _name_of_patient(entry, resource):
                found.setdefault(name, f"prefetch.{key}.entry[{i}].resource")
            for one in (resource, *objects(resource.get("contained"))):
                reference = text_of(object_of(one.get("subject")).get("reference")) or ""
                who = reference.partition("/_history/")[0]
                if _PATIENT.fullmatch(who) or "?" in who:
                    found.setdefault(who, f"prefetch.{key}.entry[{i}].resource")
    return found


def _name_of_patient(entry: Element, resource: Element) -> str | None:
    """Return the address of a Patient, or its name without a server; None for another resource."""
    name = text_of(resource.get("id"))
    if resource.get("resourceType") != "Patient" or name is None:
        return None
    address = text_of(entry.get("fullUrl")) or ""
    return address if _PATIENT.fullmatch(address) else f"Patient/{name}"
