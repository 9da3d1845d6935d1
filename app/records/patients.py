"""A patient's own row, and the courses of radiotherapy kept with their history."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, select, text

from app.errors import FieldFault, NotFound, RequestError
from app.grading.result import Course
from app.records.append import append
from app.records.audit_tables import erasures
from app.records.history import courses_document
from app.records.studies import PATIENT_NAME, Study
from app.records.tables import patients, treatments

# Built once, as all that every panel runs through.
_ADD = text(
    "INSERT INTO patients (study_id, name) VALUES (:study, :name)"
    " ON CONFLICT DO NOTHING RETURNING id"
)
_LOCK = (
    select(patients.c.id)
    .where(patients.c.study_id == bindparam("study"), patients.c.name == bindparam("name"))
    .with_for_update()
)
_ERASED = select(erasures.c.patient).where(
    erasures.c.study_id == bindparam("study"),
    erasures.c.patient.in_(bindparam("names", expanding=True)),
)


def find_patient(connection: Connection, study: Study, name: str) -> int:
    """The patient's row number.

    Raises:
        NotFound: the study has no such patient.
    """
    mine = (patients.c.study_id == study.id) & (patients.c.name == name)
    found = connection.scalar(select(patients.c.id).where(mine))
    if found is None:
        raise NotFound("the study has no such patient")
    return int(found)


class Locked(NamedTuple):
    """A patient's row number; and whether the patient is new, of whom nothing is stored yet."""

    id: int
    is_new: bool


def lock_patient(connection: Connection, study: Study, name: str) -> Locked:
    """The patient, created if need be, and locked until the transaction ends.

    Raises:
        RequestError: the name is not a pseudonym.
    """
    if not PATIENT_NAME.fullmatch(name):
        fault = FieldFault(("patient",), "patient-name", f"expected {PATIENT_NAME.pattern}")
        raise RequestError("a patient is named by the study's pseudonym", [fault])
    who = {"study": study.id, "name": name}
    new = connection.scalar(_ADD, who)
    known = connection.scalar(_LOCK, who) if new is None else None
    if known is not None:
        return Locked(known, is_new=False)
    # Only now: whoever erased the patient has committed, or the name could not have been added.
    if new is None or erased(connection, study, [name]):
        raise RequestError("this patient was erased; nothing more is stored under the pseudonym")
    return Locked(new, is_new=True)


def lock_patient_row(connection: Connection, study: Study, name: str) -> int:
    """The row number of a patient who is there, locked until the transaction ends.

    Raises:
        NotFound: the study has no such patient.
    """
    number = find_patient(connection, study, name)
    connection.execute(select(patients.c.id).where(patients.c.id == number).with_for_update())
    return number


def erased(connection: Connection, study: Study, names: Sequence[str]) -> set[str]:
    """Those of ``names`` whose values were erased."""
    return set(connection.scalars(_ERASED, {"study": study.id, "names": list(names)}))


def lock_patients(connection: Connection, wanted: ColumnElement[bool]) -> list[int]:
    """The row numbers of the patients wanted, locked in the order of their names as others do."""
    query = select(patients.c.name, patients.c.id).where(wanted)
    found = [n for _, n in sorted((row.name, row.id) for row in connection.execute(query))]
    for number in found:
        row = select(patients.c.id).where(patients.c.id == number)
        connection.execute(row.with_for_update())
    return found


def save_courses(
    connection: Connection,
    patient_id: int,
    courses: tuple[Course, ...] | None,
    before: tuple[Course, ...],
) -> tuple[Course, ...]:
    """Record the courses unless they are those ``before``, and return those that hold.

    None leaves them.
    """
    if courses is None or courses == before:
        return before
    row = {
        "patient_id": patient_id,
        "courses": courses_document(courses),
        "recorded_at": datetime.now(UTC),
    }
    append(connection, treatments, [row])
    return courses
