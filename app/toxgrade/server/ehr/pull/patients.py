"""The patients to pull and those already done, and how one is read, graded and stored."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from toxgrade.errors import FileError, SourceError
from toxgrade.fhir.bundle import Contents, read_bundle
from toxgrade.fhir.elements import (
    FORMER_COURSE,
    LOINC,
    RADIOTHERAPY_COURSE,
    SNOMED,
    SNOMED_REQUESTED,
    text_of,
)
from toxgrade.fhir.results import Accepted
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.grade_bundle import observe, persons
from toxgrade.server.ehr.persist import is_undated, storable
from toxgrade.server.ehr.pull.fhir_server import Server
from toxgrade.server.records.current_state import current_courses
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.patient_record import PatientRecord, put_patient
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.store import Submission, store
from toxgrade.server.records.studies import PATIENT_NAME, lock_study

_SEARCH_CODES = 40  # This keeps an address under the 2,000 characters that any server accepts.
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]\.resource")
_NOTHING_LOST = ("partial-date", "end-not-taken", "older-version", "other-focus")
"""Notes on what was taken, if not as it was written; what is lost by them is told by another."""

_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A patient to pull: the line of the file, the study's pseudonym, and the id on the server."""

    line: int
    patient: str
    fhir_id: str


def read_wanted(path: Path) -> list[Wanted]:
    """Read the patients of a CSV file: ``patient`` and, where that differs, ``fhir_id``.

    Raises:
        FileError: the file or one of its lines cannot be used; the message names it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "patient" not in (rows.fieldnames or ()):
                raise FileError(f"{path.name}: the header lacks patient (fhir_id may be beside it)")
            return [_parse_row(row, path.name, rows.line_num) for row in rows]
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise FileError(f"{path.name}: expected a CSV file in UTF-8") from None


def _parse_row(row: dict[str, str | None], file: str, line: int) -> Wanted:
    place = f"{file}, line {line}"
    patient = (row["patient"] or "").strip()
    fhir_id = (row.get("fhir_id") or "").strip() or patient
    if not PATIENT_NAME.fullmatch(patient):
        raise FileError(f"{place}: patient is the study's pseudonym, {PATIENT_NAME.pattern}")
    if not _FHIR_ID.fullmatch(fhir_id):
        raise FileError(f"{place}: fhir_id is the id of a FHIR Patient, {_FHIR_ID.pattern}")
    return Wanted(line, patient, fhir_id)


class Done:
    """The patients already done, recorded in a file of one study and server (None: nowhere)."""

    def __init__(self, path: Path | None, study: str, server: str) -> None:
        """Read the file; raise FileError if it is unusable, or of another study or server."""
        self._path = path
        self.patients: frozenset[str] = frozenset()
        if path is None:
            return
        title = f"pull {study} {server}"
        try:
            if not path.exists():
                path.write_text(f"{title}\n", encoding="utf-8")
            found_title, *patients = path.read_text(encoding="utf-8").splitlines() or [""]
        except (OSError, UnicodeDecodeError):
            raise FileError(f"{path.name}: it cannot be written or read") from None
        if found_title != title:
            raise FileError(f"{path.name}: it is of another study or server")
        self.patients = frozenset(patients)

    def add(self, patient: str) -> None:
        """Record that a patient's results are durable."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{patient}\n")


@dataclass(frozen=True, slots=True)
class Pulled:
    """A patient's dated results and courses; ``undated`` further results cannot be stored.

    ``told`` says what was not taken as it was sent; ``is_whole``: no result and no course was lost.
    """

    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...]
    undated: int
    told: tuple[str, ...] = ()
    is_whole: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found that could be stored, or was told."""
        return not (self.results or self.courses or self.undated or self.told)


@dataclass(frozen=True, slots=True)
class Kept:
    """How much was stored of patients; ``undated`` results were not."""

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
    """Read everything of one patient that can be graded, and the courses of radiotherapy.

    Raises:
        SourceError: the server does not return it, or returns another patient's.
    """
    patient = server.resource(f"Patient/{fhir_id}")
    if patient.get("resourceType") != "Patient":
        raise SourceError("the server answered with another resource than the Patient")
    found = {f"Patient/{fhir_id}": patient}
    for i, resource in enumerate(_search(server, fhir_id, graders)):
        # Pages may overlap, and a result may have codes of two searches: the later one counts.
        name = text_of(resource.get("id")) or f"(no id, {i})"
        found[f"{resource.get('resourceType')}/{name}"] = resource
    entry = [
        {"fullUrl": f"{server.base}{name}", "resource": resource}
        for name, resource in found.items()
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entry}
    contents = read_bundle(bundle, "Bundle", len(entry))
    _refuse_others(contents)
    names = graders.for_rules(Rules()).names
    observed = observe(contents, names, accepted)
    (person,) = persons(contents, observed, of_one=True)
    results = storable(observed, names)
    dated = tuple(one for one in results if not is_undated(one[1]))
    told, is_whole = _told(contents, list(found.values())), True
    if any(note.code not in _NOTHING_LOST for note in contents.notes):
        is_whole = False
    if not contents.observations and person.treatment.courses:
        told, is_whole = [*told, "no result was found, only radiotherapy"], False
    undated = len(results) - len(dated)
    return Pulled(dated, person.treatment.courses, undated, tuple(told), is_whole)


def _search(server: Server, fhir_id: str, graders: Graders) -> list[dict[str, Any]]:
    """Return what a server has of a patient; some know one by ``Patient/id``, not by the id."""
    found = list(_search_by(server, fhir_id, graders))
    if found:
        return found
    try:
        return list(_search_by(server, f"Patient/{fhir_id}", graders))
    except SourceError:
        return []  # It does not take the longer form: nothing was found.


def _search_by(server: Server, patient: str, graders: Graders) -> Iterator[dict[str, Any]]:
    course = f"{SNOMED}|{RADIOTHERAPY_COURSE},{SNOMED_REQUESTED}|{FORMER_COURSE}"
    yield from server.search("Procedure", {"patient": patient, "code": course})
    codes = [code for analyte in graders.criteria.analytes.values() for code in analyte.loinc]
    for first in range(0, len(codes), _SEARCH_CODES):
        query = ",".join(f"{LOINC}|{code}" for code in codes[first : first + _SEARCH_CODES])
        yield from server.search("Observation", {"patient": patient, "code": query})


def _refuse_others(contents: Contents) -> None:
    """Refuse other patients' data: a server that ignores the parameter ``patient`` returns all."""
    own = next(iter(contents.persons))  # The Patient comes first.
    subjects = {one.subject for one in contents.observations} | set(contents.treatments)
    if not subjects <= {own}:
        raise SourceError("the server answered with another patient's")


def _told(contents: Contents, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the notes in words, with the kind of each resource; ids stay in the EHR."""

    def kind(match: re.Match[str]) -> str:
        return text_of(found[int(match[1])].get("resourceType")) or "resource"

    return [f"{_ENTRY.sub(kind, note.path)}: {note.text}" for note in contents.notes]


def keep(
    connection: Connection, study: str, patient: str, pulled: Pulled, graders: Graders
) -> Kept:
    """Store what was pulled under the study's pseudonym.

    Raises:
        RequestError: a name or a result cannot be accepted, or the patient was erased.
    """
    if pulled.courses:
        patient_id = lock_patient(connection, lock_study(connection, study), patient).id
        recorded = {_dates(course): course for course in current_courses(connection, patient_id)}
        # A recorded course keeps its dose, because Procedures have none.
        courses = tuple(recorded.get(_dates(course), course) for course in pulled.courses)
        put_patient(connection, study, patient, PatientRecord(courses, None), graders)
    submission = Submission(study, patient, pulled.results, None, is_message=True)
    stored = store(connection, submission, graders)
    undecided = sum(grade["grade"] is None for grade in stored.grades)
    return Kept(len(pulled.results), len(stored.grades), undecided, pulled.undated)


def _dates(course: Course) -> tuple[Any, ...]:
    return course.start, course.end, course.ongoing
