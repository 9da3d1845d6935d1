"""A patient's own row, and the courses of radiotherapy kept with their history."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, select, text
from sqlalchemy.dialects import postgresql, sqlite

from toxgrade.errors import Conflict, FieldFault, NotFound, RequestError
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import courses_document
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.service_tables import erasures
from toxgrade.server.records.db.tables import patients, treatments
from toxgrade.server.records.db.unit_of_work import unit_of_work
from toxgrade.server.records.studies import PATIENT_NAME, Study, lock_study

# Built once, as all that every panel runs through.
_ADD = text(
    "INSERT INTO patients (study_id, name) VALUES (:study, :name)"
    " ON CONFLICT DO NOTHING RETURNING id"
)
_ADD_MANY = {
    dialect.dialect.name: dialect.insert(patients)
    .on_conflict_do_nothing()
    .returning(patients.c.name, patients.c.id)
    for dialect in (postgresql, sqlite)
}
_LOCK = (
    select(patients.c.id)
    .where(patients.c.study_id == bindparam("study"), patients.c.name == bindparam("name"))
    .with_for_update()
)
_LOCK_MANY = (
    select(patients.c.name, patients.c.id)
    .where(
        patients.c.study_id == bindparam("study"),
        patients.c.name.in_(bindparam("names", expanding=True)),
    )
    .order_by(patients.c.name)
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
    if (ahead := unit_of_work(connection).seen.pop((patients, study.id, name), None)) is not None:
        locked: Locked = ahead
        return locked
    who = {"study": study.id, "name": name}
    new = connection.scalar(_ADD, who)
    known = connection.scalar(_LOCK, who) if new is None else None
    if known is not None:
        return Locked(known, is_new=False)
    # Only now: whoever erased the patient has committed, or the name could not have been added.
    if new is None or erased(connection, study, [name]):
        fault = FieldFault(("patient",), "patient-erased", "expected one who was not erased")
        text = "this patient was erased; nothing more is stored under the pseudonym"
        raise RequestError(text, [fault])
    return Locked(new, is_new=True)


def lock_panels(connection: Connection, study_name: str, names: Collection[str]) -> list[int]:
    """Lock the patients of a group of panels, and add those who are new, in few statements.

    ``lock_patient`` finds them then; names that it would refuse are left to it. The row numbers of
    those who were there already.

    Raises:
        Conflict: as ``add_patients``.
    """
    try:
        study = lock_study(connection, study_name)
    except NotFound:
        return []
    gone = erased(connection, study, sorted(names))
    wanted = [name for name in sorted(names) if PATIENT_NAME.fullmatch(name) and name not in gone]
    new = add_patients(connection, study, wanted)
    known = [name for name in wanted if name not in new]
    among = {"study": study.id, "names": known}
    locked = connection.execute(_LOCK_MANY, among).all() if known else []
    unit = unit_of_work(connection)
    unit.panels = len(wanted)
    for name, number in new.items():
        unit.seen[patients, study.id, name] = Locked(number, is_new=True)
    for name, number in locked:
        unit.seen[patients, study.id, name] = Locked(number, is_new=False)
    return [number for _, number in locked]


def add_patients(connection: Connection, study: Study, names: Iterable[str]) -> dict[str, int]:
    """Add patients; the ids of those who were new.

    In one order, so that two transactions never wait for each other in a circle.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    rows = [{"study_id": study.id, "name": name} for name in sorted(names)]
    if not rows:
        return {}
    added = connection.execute(_ADD_MANY[connection.dialect.name], rows)
    found = {row.name: row.id for row in added}
    # Only now: whoever erased a patient has committed, or the name could not have been added.
    if found and erased(connection, study, list(found)):
        raise Conflict("one of these patients was erased meanwhile")
    return found


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
