"""A patient's own row, and the courses of radiotherapy kept with their history."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, select, text

from app.errors import FieldFault, NotFound, RequestError
from app.grading.result import Course
from app.records.append import append
from app.records.history import courses_document, current_courses
from app.records.studies import PATIENT_NAME, Study
from app.records.tables import patients, treatments


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


def lock_patient(connection: Connection, study: Study, name: str) -> int:
    """The patient's row number, created if need be, and locked until the transaction ends.

    Raises:
        RequestError: the name is not a pseudonym.
    """
    if not PATIENT_NAME.fullmatch(name):
        fault = FieldFault(("patient",), "patient-name", f"expected {PATIENT_NAME.pattern}")
        raise RequestError("a patient is named by the study's pseudonym", [fault])
    connection.execute(
        text("INSERT INTO patients (study_id, name) VALUES (:study, :name) ON CONFLICT DO NOTHING"),
        {"study": study.id, "name": name},
    )
    mine = (patients.c.study_id == study.id) & (patients.c.name == name)
    return int(connection.scalars(select(patients.c.id).where(mine).with_for_update()).one())


def lock_patients(connection: Connection, wanted: ColumnElement[bool]) -> list[int]:
    """The row numbers of the patients wanted, locked in the order of their names as others do."""
    query = select(patients.c.name, patients.c.id).where(wanted)
    found = [n for _, n in sorted((row.name, row.id) for row in connection.execute(query))]
    for number in found:
        row = select(patients.c.id).where(patients.c.id == number)
        connection.execute(row.with_for_update())
    return found


def save_courses(
    connection: Connection, patient_id: int, courses: tuple[Course, ...] | None
) -> tuple[Course, ...]:
    """Record the courses if they are new, and return those that hold; None leaves them."""
    before = current_courses(connection, patient_id)
    if courses is None or courses == before:
        return before
    row = {
        "patient_id": patient_id,
        "courses": courses_document(courses),
        "recorded_at": datetime.now(UTC),
    }
    append(connection, treatments, [row])
    return courses
