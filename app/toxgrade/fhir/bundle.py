"""A Bundle's contents for grading: Observations, their patients, and courses of radiotherapy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NoReturn

from toxgrade.errors import FieldFault, ParseError, RequestError, TooLarge
from toxgrade.fhir.elements import (
    RADIOTHERAPY_COURSE,
    SNOMED,
    Note,
    codes,
    object_of,
    objects,
    text_of,
)
from toxgrade.fhir.reference_range import Person
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course

TYPES = (
    "collection", "searchset", "batch", "transaction", "batch-response", "transaction-response",
)  # fmt: skip
_NOT_DONE = ("not-done", "entered-in-error", "preparation")


@dataclass(frozen=True, slots=True)
class Source:
    """An Observation, its place in the Bundle (FHIRPath) and its subject (None: it names none)."""

    where: str
    resource: Mapping[str, Any]
    subject: str | None
    full_url: str | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """One person's courses of radiotherapy, and the references of the Procedures with them."""

    courses: tuple[Course, ...] = ()
    procedures: tuple[str | None, ...] = ()


@dataclass(slots=True)
class Contents:
    """The contents of a Bundle; ``treatments`` and ``persons`` are by subject."""

    observations: list[Source] = field(default_factory=list)
    persons: dict[str | None, Person] = field(default_factory=dict)
    treatments: dict[str | None, Treatment] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def read_bundle(bundle: object, where: str, max_entries: int) -> Contents:
    """Return a Bundle's contents: Observations in order, with those contained in other resources.

    Raises:
        RequestError: it is no Bundle that can be graded, or its courses contradict each other.
        TooLarge: more than ``max_entries`` entries.
    """
    entries = _entries(bundle, where, max_entries)
    contents = Contents()
    names = _patients(entries, contents)
    courses: dict[str | None, list[tuple[Course, str | None, str]]] = {}
    for place, full_url, resource in entries:
        subject = _subject(resource, names, place)
        if resource.get("resourceType") == "Procedure":
            if course := _course(resource, place, contents.notes):
                reference = _reference(resource, full_url)
                courses.setdefault(subject, []).append((course, reference, place))
            continue
        contents.observations += _observations(resource, place, subject, full_url)
    contents.treatments = {who: _treatment(found) for who, found in courses.items()}
    return contents


def _entries(bundle: object, where: str, cap: int) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Return place, fullUrl and resource of every entry that has a resource."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        _refuse(f"{where}.resourceType", "resource-type", "expected a Bundle")
    if bundle.get("type") not in TYPES:
        _refuse(f"{where}.type", "bundle-type", f"expected one of {', '.join(TYPES)}")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        _refuse(f"{where}.entry", "structure", "expected a list")
    if len(entries) > cap:
        fault = FieldFault((f"{where}.entry",), "too-many", f"at most {cap} entries in a Bundle")
        text = "send the Observations as NDJSON to POST /v1/studies/{study}/batches"
        raise TooLarge(f"the Bundle is a file: {text}", [fault])
    found = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            _refuse(f"{where}.entry[{i}]", "structure", "expected an object with a resource")
        resource = entry.get("resource")
        if resource is None:
            continue  # Deletions and their responses have none.
        place = f"{where}.entry[{i}].resource"
        if not isinstance(resource, dict) or not text_of(resource.get("resourceType")):
            _refuse(f"{place}.resourceType", "resource-type", "expected a resource of FHIR R4")
        found.append((place, text_of(entry.get("fullUrl")), resource))
    return found


def _refuse(where: str, code: str, message: str) -> NoReturn:
    fault = FieldFault((where,), code, message)
    raise RequestError("the Bundle cannot be read", [fault])


def _patients(
    entries: Sequence[tuple[str, str | None, dict[str, Any]]], contents: Contents
) -> dict[str, str]:
    """Map each reference of a Patient to the one that is used; add the persons to ``contents``."""
    names: dict[str, str] = {}
    for _, full_url, resource in entries:
        if resource["resourceType"] != "Patient":
            continue
        own = _reference(resource, full_url)
        if own is None:
            continue
        names |= {reference: own for reference in (own, full_url) if reference}
        sex = resource.get("gender")
        try:
            born = read_collected(text_of(resource.get("birthDate")) or "")
        except ParseError:
            born = None
        day = born.first if born and born.first == born.last else None
        contents.persons[own] = Person(sex if sex in ("male", "female") else None, day)
    return names


def _reference(resource: Mapping[str, Any], full_url: str | None) -> str | None:
    """Return the reference of a resource of the Bundle; None if it has neither id nor fullUrl."""
    if found := text_of(resource.get("id")):
        return f"{resource['resourceType']}/{found}"
    return full_url


def _subject(resource: Mapping[str, Any], names: Mapping[str, str], place: str) -> str | None:
    """Return the subject's reference, else its identifier; a contained one gets its place."""
    subject = object_of(resource.get("subject"))
    if reference := text_of(subject.get("reference")):
        target = reference.partition("/_history/")[0]
        return f"{place}{target}" if target.startswith("#") else names.get(target, target)
    identifier = object_of(subject.get("identifier"))
    if value := text_of(identifier.get("value")):
        return f"{text_of(identifier.get('system')) or ''}|{value}"
    return None


def _observations(
    resource: Mapping[str, Any], place: str, subject: str | None, full_url: str | None
) -> Iterator[Source]:
    if resource.get("resourceType") == "Observation":
        yield Source(place, resource, subject, full_url)
    elif resource.get("resourceType") != "DiagnosticReport":
        return
    for i, inner in enumerate(objects(resource.get("contained"))):
        if inner.get("resourceType") == "Observation":
            yield Source(f"{place}.contained[{i}]", inner, subject)


def _course(resource: Mapping[str, Any], place: str, notes: list[Note]) -> Course | None:
    """Return a Procedure's course; None if it is something else, was not done or has no date."""
    if RADIOTHERAPY_COURSE not in codes(resource.get("code"), SNOMED):
        return None
    status = resource.get("status")
    if status in _NOT_DONE:
        return None
    period = object_of(resource.get("performedPeriod"))
    days: dict[str, date | None] = {}
    for end in ("start", "end"):
        days[end] = None
        if (written := period.get(end)) is None:
            continue
        try:
            read = read_collected(written if isinstance(written, str) else "")
            days[end] = read.first if read.first == read.last else None
        except ParseError:
            pass
        if days[end] is None:
            text = "expected a full date: this course counts as without it"
            notes.append(Note(f"{place}.performedPeriod.{end}", "partial-date", text))
    if not any(days.values()):
        text = "expected a start, an end or both: no date of radiotherapy is taken from this"
        notes.append(Note(f"{place}.performedPeriod", "no-date", text))
        return None
    ongoing = status == "in-progress" and days["end"] is None
    return Course(days["start"], days["end"], ongoing=ongoing)


def _treatment(found: Sequence[tuple[Course, str | None, str]]) -> Treatment:
    """Return the courses by start, each once.

    Raises:
        RequestError: their dates contradict each other.
    """
    unique = {course: (reference, place) for course, reference, place in found}
    ordered = sorted(unique, key=lambda course: course.start or date.min)
    if faults := course_faults(ordered):
        named = [
            FieldFault((unique[ordered[i]][1], "performedPeriod", end), fault.code, fault.message)
            for fault in faults
            for i, end in [fault.loc]
            if isinstance(i, int)
        ]
        raise RequestError("the courses of radiotherapy contradict each other", named)
    return Treatment(tuple(ordered), tuple(unique[course][0] for course in ordered))
