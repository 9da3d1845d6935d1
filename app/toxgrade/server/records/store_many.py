"""Storing many patients in one transaction: new patients in bulk, known ones one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from toxgrade.errors import RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders
from toxgrade.grading.study_ranges import Person, RangeTable
from toxgrade.server.records.current_state import courses_document
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import grades, patients, results, treatments
from toxgrade.server.records.db.unit_of_work import savepoint
from toxgrade.server.records.doubts import flag_dates, flag_doubts
from toxgrade.server.records.identity import Loc, distinct
from toxgrade.server.records.matching import Matcher
from toxgrade.server.records.patient_state import GradeRow
from toxgrade.server.records.patients import add_patients, find_erased
from toxgrade.server.records.regrade import grade_row
from toxgrade.server.records.store import Submission, result_row, store
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import apply_ranges

GradesOf = Mapping[str, list[GradeRow]]
"""The current grades of one patient's results, by the identity with which each was sent."""


@dataclass(frozen=True, slots=True)
class SentPatient:
    """What a batch holds of one patient: results with their places, and their identities ``keys``.

    No two results with different content share an identity. ``courses`` None means that the batch
    gives none; the recorded courses then stay.
    """

    patient: str
    results: tuple[tuple[Loc, LabResult], ...]
    keys: tuple[str, ...]
    courses: tuple[Course, ...] | None


@dataclass(frozen=True, slots=True)
class PreparedPatient:
    """A patient who is new to the study, graded before the transaction begins.

    ``results`` are rows of the table ``results``, which get their ids when they are stored.
    ``grades`` are rows of the table ``grades``, each with the index of its result. ``of_identity``
    holds the same grades by the identity with which each result was sent.
    """

    sent: SentPatient
    results: list[dict[str, Any]]
    grades: list[tuple[int, GradeRow]]
    of_identity: GradesOf


def known_patients(connection: Connection, study: Study, names: Sequence[str]) -> set[str]:
    """Return those of ``names`` who are patients of the study, or were and have been erased."""
    condition = (patients.c.study_id == study.id) & patients.c.name.in_(names)
    known = set(connection.scalars(select(patients.c.name).where(condition)))
    return known | find_erased(connection, study, names)


def prepare(
    sent: SentPatient, study: Study, table: RangeTable, grader: TermGrader
) -> PreparedPatient:
    """Grade a patient of whom nothing is stored, with the grades that ``store`` would give.

    ``table`` holds the study's own reference ranges.
    """
    matcher = Matcher(grader.names)
    results_sent = distinct(sent.results, grader.names)
    matches = matcher.match_all([(result, False) for result in results_sent])
    written = [match.version for match in matches if match.version is not None]
    current = matcher.current()
    doubted, now = flag_doubts(current, grader.names), datetime.now(UTC)
    dated = flag_dates(doubted, [now] * len(doubted), sent.courses or (), died=None)
    labs = apply_ranges(dated, table, Person(), grader.names)
    places = {(version.identity, version.number): at for at, version in enumerate(written)}
    graded, of_identity = [], {version.identity: list[GradeRow]() for version in current}
    for entry in grade_patient(labs, sent.courses or (), grader, study.rules.window):
        version = current[entry.index]
        row = grade_row(entry, labs[entry.index], grader)
        graded.append((places[version.identity, version.number], row))
        of_identity[version.identity].append(row)
    rows = [
        {"identity": version.identity, "version": version.number} | result_row(version.result)
        for version in written
    ]
    return PreparedPatient(sent, rows, graded, _by_key(sent, matcher, of_identity))


def _by_key(
    sent: SentPatient, matcher: Matcher, of_identity: Mapping[str, list[GradeRow]]
) -> GradesOf:
    """Return the grades by the keys of the results sent, each of which has a place by now."""
    return {
        key: of_identity[matcher.match(result).identity]
        for key, (_, result) in zip(sent.keys, sent.results, strict=True)
    }


def store_new(
    connection: Connection, study: Study, prepared: Sequence[PreparedPatient]
) -> dict[str, GradesOf]:
    """Store new patients in bulk, and return the grades of each by the patient's name.

    Those who have become patients of the study in the meantime are left out.
    """
    patient_ids = add_patients(connection, study, [new.sent.patient for new in prepared])
    added = [(patient_ids[p], new) for new in prepared if (p := new.sent.patient) in patient_ids]
    now = datetime.now(UTC)
    treated = [
        {"patient_id": patient, "courses": courses_document(new.sent.courses), "recorded_at": now}
        for patient, new in added
        if new.sent.courses
    ]
    append(connection, treatments, treated)
    for patient, new in added:
        for row in new.results:
            row["patient_id"], row["recorded_at"] = patient, now
    append(connection, results, [row for _, new in added for row in new.results])
    for patient, new in added:
        for index, grade in new.grades:
            grade["patient_id"], grade["recorded_at"] = patient, now
            grade["result_id"] = new.results[index]["id"]
    append(connection, grades, [grade for _, new in added for _, grade in new.grades])
    return {new.sent.patient: new.of_identity for _, new in added}


def merge_patient(
    connection: Connection, study: Study, sent: SentPatient, graders: Graders
) -> tuple[GradesOf, tuple[Loc, ...]] | RequestError:
    """Store results of a known patient with ``store``; return the grades, or the refusal.

    Beside the grades stand the places of results that are dated after the patient's death, which
    are not stored. Nothing is stored of a refused patient, and the transaction goes on.
    """
    submission = Submission(
        study.name, sent.patient, sent.results, sent.courses, passes_over_after_death=True
    )
    try:
        with savepoint(connection):
            stored = store(connection, submission, graders)
    except RequestError as error:
        return error
    return dict(zip(sent.keys, stored.of_results, strict=True)), stored.after_death
