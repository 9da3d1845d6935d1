"""A Bundle's contents for grading: Observations, their patients, and courses of radiotherapy."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NoReturn

from toxgrade.errors import FieldFault, RequestError, TooLarge
from toxgrade.fhir.elements import MODIFIERS, Element, Note, objects, text_of
from toxgrade.fhir.members import WITHDRAWN, withdrawn_results
from toxgrade.fhir.reference_range import Person
from toxgrade.fhir.references import Entry, People
from toxgrade.fhir.results import Source, read_course
from toxgrade.fhir.specimen import Specimens
from toxgrade.fhir.versions import latest_versions
from toxgrade.grading.phase import MOST_COURSES, course_faults
from toxgrade.grading.result import Course

TYPES = (
    "collection", "searchset", "batch", "transaction", "batch-response", "transaction-response",
    "document", "message", "history",
)  # fmt: skip
BARE = ("Observation", "DiagnosticReport")
"""Resources that are graded without a Bundle around them, too."""

_READ = ("Patient", "Procedure", "Specimen", *BARE)
_MODIFIED: dict[str, object] = {
    "modifierExtension": [{}]
}  # Of an element that cannot be understood where it stands.


@dataclass(frozen=True, slots=True)
class Treatment:
    """One person's courses of radiotherapy, and the references and places of their Procedures."""

    courses: tuple[Course, ...] = ()
    procedures: tuple[str | None, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(slots=True)
class Contents:
    """The contents of a Bundle; ``treatments`` and ``persons`` are by subject."""

    observations: list[Source] = field(default_factory=list)
    persons: dict[str | None, Person] = field(default_factory=dict)
    treatments: dict[str | None, Treatment] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def read_bundle(bundle: object, where: str, max_entries: int) -> Contents:
    """Return a Bundle's contents: Observations in order, with those contained in other resources.

    ``bundle`` may be one Observation or DiagnosticReport, too. What is in it and not taken is told
    in ``notes``.

    Raises:
        RequestError: it is no Bundle that can be graded.
        TooLarge: more than ``max_entries`` entries.
    """
    contents = Contents()
    entries = latest_versions(_entries(bundle, where, max_entries), bundle, contents.notes)
    people, specimens = People(entries, contents.notes), Specimens(entries)
    contents.persons = people.persons
    taken_along = withdrawn_results(entries, contents.notes)
    courses: dict[str | None, list[tuple[Course, Entry]]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "Procedure":
            if entry.place in taken_along:
                text = "the document is withdrawn: this course is not taken"
                contents.notes.append(Note(entry.place, "withdrawn", text))
            elif course := read_course(entry.resource, entry.place, contents.notes):
                courses[people.of(entry.resource, entry)].append((course, entry))
        elif entry.kind in BARE:
            for found in _observations(entry, people, taken_along, contents.notes):
                told = specimens.of(found.resource, entry)
                contents.observations.append(replace(found, specimen=told))
    contents.treatments = {who: _treatment(c, contents.notes) for who, c in courses.items()}
    return contents


def _entries(bundle: object, where: str, cap: int) -> list[Entry]:
    """Return the entries that have a resource which is read."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") not in ("Bundle", *BARE):
        _refuse(f"{where}.resourceType", "resource-type", "expected a Bundle")
    if bundle["resourceType"] in BARE:
        return [Entry(where, None, bundle)]
    if bundle.get("type") not in TYPES:
        _refuse(f"{where}.type", "bundle-type", f"expected one of {', '.join(TYPES)}")
    if bundle.get("implicitRules") is not None:
        text = "expected none: rules that we do not know may change what the Bundle means"
        _refuse(f"{where}.implicitRules", "not-understood", text)
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        _refuse(f"{where}.entry", "structure", "expected a list")
    if len(entries) > cap:
        fault = FieldFault((f"{where}.entry",), "too-many", f"at most {cap} entries in a Bundle")
        text = "send the Observations as NDJSON to POST /v1/studies/{study}/batches"
        raise TooLarge(f"the Bundle is a file: {text}", [fault])
    found = [_entry(entry, f"{where}.entry[{i}]") for i, entry in enumerate(entries)]
    read = (*_READ, "Composition") if bundle["type"] == "document" else _READ
    return [entry for entry in found if entry is not None and entry.kind in read]


def _entry(entry: object, place: str) -> Entry | None:
    """Return an entry; None if it has no resource, as deletions and their responses have none.

    A modifier of the entry counts as one of its resource.
    """
    if not isinstance(entry, dict):
        _refuse(place, "structure", "expected an object with a resource")
    resource = entry.get("resource")
    if resource is None:
        return None
    if not isinstance(resource, dict) or not text_of(resource.get("resourceType")):
        text = "expected a resource of FHIR R4"
        _refuse(f"{place}.resource.resourceType", "resource-type", text)
    if any(entry.get(name) not in (None, []) for name in MODIFIERS):
        resource = resource | _MODIFIED
    return Entry(f"{place}.resource", text_of(entry.get("fullUrl")), resource)


def _refuse(where: str, code: str, message: str) -> NoReturn:
    fault = FieldFault((where,), code, message)
    raise RequestError("the Bundle cannot be read", [fault])


def _observations(
    entry: Entry, people: People, taken_along: Mapping[str, tuple[str, str]], notes: list[Note]
) -> Iterator[Source]:
    """Yield an entry's Observation, and those contained in it or in its report."""
    resource, place, scope = entry.resource, entry.place, entry.base
    subject = people.of(resource, entry)
    if entry.kind == "Observation" and not _is_of_another(resource, place, entry, people, notes):
        yield _source(place, resource, subject, entry.full_url, scope, taken_along.get(place))
    modifier = next((name for name in MODIFIERS if resource.get(name) not in (None, [])), None)
    if modifier and entry.kind == "DiagnosticReport":
        text = "this may change what the report means: the results contained in it are not read"
        notes.append(Note(f"{place}.{modifier}", "not-understood", text))
    status = resource.get("status")
    why = (str(status), place) if status in WITHDRAWN else taken_along.get(place)
    holder = f"{scope or ''}{entry.name}" if entry.name else entry.full_url
    for i, inner in enumerate(objects(resource.get("contained"))):
        if inner.get("resourceType") == "Observation":
            here, own = f"{place}.contained[{i}]", people.of(inner, entry)
            if _is_of_another(inner, here, entry, people, notes):
                continue
            if own and subject and own != subject:
                text = "its subject is not that of what holds it: it is taken for neither's"
                notes.append(Note(f"{here}.subject", "contradiction", text))
                own = here
            read = inner | _MODIFIED if modifier else inner
            if not holder:  # Ids of contained resources say nothing without it.
                read = {key: value for key, value in read.items() if key != "id"}
            yield _source(here, read, own or subject, None, f"#{holder or ''}", why)


def _is_of_another(
    resource: Element, place: str, entry: Entry, people: People, notes: list[Note]
) -> bool:
    """Return whether a result is about somebody or something else (``focus``), and tell it.

    That may be a fetus, a donor or an implant, in the patient's record.
    """
    subject = people.of(resource, entry)
    about = [people.of({"subject": one}, entry) for one in objects(resource.get("focus"))]
    if all(who is not None and who == subject for who in about):
        return False
    text = "this result is about another than the patient: it is not taken"
    notes.append(Note(f"{place}.focus", "other-focus", text))
    return True


def _source(
    place: str, resource: Element, subject: str | None, full_url: str | None,
    scope: str | None, why: tuple[str, str] | None,
) -> Source:  # fmt: skip
    """Return an Observation; ``why``: status and place of the report that takes it along."""
    if why is None or resource.get("status") in WITHDRAWN:
        return Source(place, resource, subject, full_url, scope)
    text = f"what holds it ({why[1]}) is {why[0]}: this counts as {why[0]}, too"
    note = Note(f"{place}.status", "withdrawn", text)
    return Source(place, {**resource, "status": why[0]}, subject, full_url, scope, (note,))


def _treatment(found: Sequence[tuple[Course, Entry]], notes: list[Note]) -> Treatment:
    """Return the courses by start, each once; none, and notes, if their dates contradict."""
    unique = dict(found)
    if len(unique) > MOST_COURSES:
        text = f"more than {MOST_COURSES} courses of one patient: none of them is taken"
        notes.append(Note(next(iter(unique.values())).place, "too-many", text))
        return Treatment()
    ordered = sorted(unique, key=lambda course: course.start or date.min)
    if faults := course_faults(ordered):
        for fault in faults:
            index, end = fault.loc
            assert isinstance(index, int)
            place = unique[ordered[index]].place
            text = f"{fault.message}: this patient's courses are not taken"
            notes.append(Note(f"{place}.performedPeriod.{end}", fault.code, text))
        return Treatment()
    entries = [unique[course] for course in ordered]
    procedures = tuple(entry.name or entry.full_url for entry in entries)
    return Treatment(tuple(ordered), procedures, tuple(entry.place for entry in entries))
