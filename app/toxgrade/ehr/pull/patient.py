"""One patient of a FHIR server: what there is of them, and storing it as any results are stored."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

from sqlalchemy import Connection

from toxgrade.ehr.grade import observe, persons
from toxgrade.ehr.persist import is_undated, storable
from toxgrade.ehr.pull.server import Server
from toxgrade.errors import SourceError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.elements import LOINC, RADIOTHERAPY_COURSE, SNOMED
from toxgrade.fhir.results import Accepted
from toxgrade.grading.grader import Graders
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Rules
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.put_patient import PatientRecord, put_patient
from toxgrade.server.records.store import Submission, store
from toxgrade.server.records.studies import hold_study

_CODES = 40  # in one search: its address stays under the 2,000 characters that any server takes


@dataclass(frozen=True, slots=True)
class Pulled:
    """A patient's results and courses; ``undated`` results have no day and cannot be stored."""

    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...]
    undated: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What was stored of patients; ``undated`` results were not."""

    results: int
    gradings: int
    undecided: int
    undated: int

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        return (
            f"{self.results:,} results, {self.gradings:,} gradings, {self.undecided:,} undecided;"
            f" not stored for want of a day: {self.undated:,}"
        )


def pull_patient(server: Server, fhir_id: str, graders: Graders, accepted: Accepted) -> Pulled:
    """Everything of one patient that can be graded, and the radiotherapy that dates it.

    Raises:
        SourceError: the server does not give it, or gives somebody else's.
        RequestError: the courses contradict each other, or a result is there with two contents.
    """
    found = {"Patient": server.resource(f"Patient/{fhir_id}")}
    for resource in _found(server, fhir_id, graders):
        # Pages may overlap, and a result may have codes of two searches: the later one counts.
        found[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
    entry = [{"resource": resource} for resource in found.values()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    contents = read_bundle(bundle, "Bundle", len(entry))
    _refuse_others(contents, fhir_id)
    names = graders.under(Rules()).names
    observed = observe(contents, names, accepted)
    (person,) = persons(contents, observed, of_one=True)
    results = storable(observed, names)
    dated = tuple(one for one in results if not is_undated(one[1]))
    return Pulled(dated, person.treatment.courses, len(results) - len(dated))


def _found(server: Server, fhir_id: str, graders: Graders) -> Iterator[dict[str, Any]]:
    course = f"{SNOMED}|{RADIOTHERAPY_COURSE}"
    yield from server.search("Procedure", {"patient": fhir_id, "code": course})
    codes = [code for analyte in graders.criteria.analytes.values() for code in analyte.loinc]
    for first in range(0, len(codes), _CODES):
        asked = ",".join(f"{LOINC}|{code}" for code in codes[first : first + _CODES])
        yield from server.search("Observation", {"patient": fhir_id, "code": asked})


def _refuse_others(contents: Contents, fhir_id: str) -> None:
    """A server that does not know ``patient`` as a search parameter answers for everyone."""
    subjects = {one.subject for one in contents.observations} | set(contents.treatments)
    if not {(subject or "").rpartition("Patient/")[2] for subject in subjects} <= {fhir_id}:
        raise SourceError("the server answered with another patient's")


def keep(
    connection: Connection, study: str, patient: str, pulled: Pulled, graders: Graders
) -> Kept:
    """Store what was pulled under the study's pseudonym.

    Raises:
        RequestError: a name or a result that cannot be accepted, or the patient was erased.
    """
    if pulled.courses:
        number = lock_patient(connection, hold_study(connection, study), patient).id
        recorded = {_days(course): course for course in current_courses(connection, number)}
        # A course that is recorded with its dose keeps it: Procedures have none.
        courses = tuple(recorded.get(_days(course), course) for course in pulled.courses)
        put_patient(connection, study, patient, PatientRecord(courses, None), graders)
    stored = store(connection, Submission(study, patient, pulled.results, None), graders)
    undecided = sum(grade["grade"] is None for grade in stored.grades)
    return Kept(len(pulled.results), len(stored.grades), undecided, pulled.undated)


def _days(course: Course) -> tuple[Any, ...]:
    return course.start, course.end, course.ongoing
