"""Patients' rows, found, added and locked; and the recording of their courses of radiotherapy."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, select, text

from toxgrade.errors import Conflict, FieldFault, NotFound, RequestError
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import courses_document
from toxgrade.server.records.db.append import append, cover
from toxgrade.server.records.db.bulk import reserve_ids
from toxgrade.server.records.db.direct import IsOneOf, Prepared, Texts
from toxgrade.server.records.db.service_tables import erasures
from toxgrade.server.records.db.tables import patients, treatments
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import PATIENT_NAME, Study, lock_study

# SQLite would number an erased patient's row again, so that there the ids are given.
_INSERT = {
    dialect: Prepared(
        text(f"INSERT INTO patients {rows} ON CONFLICT DO NOTHING RETURNING name, id").bindparams(
            bindparam("names", type_=Texts)
        )
    )
    for dialect, rows in {
        "sqlite": "(id, study_id, name) SELECT :first + key, :study, value"
        " FROM json_each(:names) WHERE true",
        "postgresql": "(study_id, name) SELECT :study, name FROM unnest(:names) AS name",
    }.items()
}
_LOCK = Prepared(
    select(patients.c.name, patients.c.id)
    .where(patients.c.study_id == bindparam("study"), IsOneOf(patients.c.name, "names"))
    .order_by(patients.c.name)
    .with_for_update()
)
_LOCK_ROW = Prepared(
    select(patients.c.id).where(patients.c.id == bindparam("of_patient")).with_for_update()
)
_ERASED = Prepared(
    select(erasures.c.patient).where(
        erasures.c.study_id == bindparam("study"), IsOneOf(erasures.c.patient, "names")
    )
)


def find_patient(connection: Connection, study: Study, name: str) -> int:
    """Return the patient's row id.

    Raises:
        NotFound: the study has no such patient.
    """
    condition = (patients.c.study_id == study.id) & (patients.c.name == name)
    found = connection.scalar(select(patients.c.id).where(condition))
    if found is None:
        raise NotFound("the study has no such patient")
    return int(found)


class LockedPatient(NamedTuple):
    """A locked patient's row id, and whether the patient is new, so that nothing is stored yet."""

    id: int
    is_new: bool


def lock_patient(transaction: Transaction, study: Study, name: str) -> LockedPatient:
    """Lock the patient until the transaction ends, and add the patient if new.

    Raises:
        RequestError: the name is not a pseudonym, or the patient was erased.
    """
    if not PATIENT_NAME.fullmatch(name):
        fault = FieldFault(("patient",), "patient-name", f"expected {PATIENT_NAME.pattern}")
        raise RequestError("a patient is named by the study's pseudonym", [fault])
    if (cached := transaction.cache.pop((patients, study.id, name), None)) is not None:
        locked: LockedPatient = cached
    else:
        new = _insert(transaction, study, [name])
        row_id = new.get(name) or lock_known(transaction, study, [name]).get(name)
        # This is checked last: the insert waited for an erasure under way to be committed.
        if row_id is None or (new and find_erased(transaction.connection, study, [name])):
            raise erased_error()
        locked = LockedPatient(row_id, is_new=bool(new))
    if locked.is_new:
        _cover(transaction, study, {name: locked.id})
    return locked


def erased_error() -> RequestError:
    """Return the refusal of what is sent for an erased patient."""
    fault = FieldFault(("patient",), "patient-erased", "expected one who was not erased")
    message = "this patient was erased; nothing more is stored under the pseudonym"
    return RequestError(message, [fault])


def lock_panels(transaction: Transaction, study_name: str, names: Collection[str]) -> list[int]:
    """Lock the patients of a group of panels, add new ones, and return the ids of the others.

    This takes few statements; ``lock_patient`` then finds the locks in the transaction. Names that
    it would refuse are left out here.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    try:
        study = lock_study(transaction, study_name)
    except NotFound:
        return []
    erased = find_erased(transaction.connection, study, sorted(names))
    wanted = [name for name in sorted(names) if PATIENT_NAME.fullmatch(name) and name not in erased]
    new = _add(transaction, study, wanted)
    locked = lock_known(transaction, study, [name for name in wanted if name not in new])
    transaction.panels = len(wanted)
    for name, row_id in new.items():
        transaction.cache[patients, study.id, name] = LockedPatient(row_id, is_new=True)
    for name, row_id in locked.items():
        transaction.cache[patients, study.id, name] = LockedPatient(row_id, is_new=False)
    return [*locked.values()]


def lock_known(transaction: Transaction, study: Study, names: Sequence[str]) -> dict[str, int]:
    """Lock those of ``names`` who are patients, in the order of names; return their row ids."""
    if not names:
        return {}
    return dict(transaction.lock(_LOCK, {"study": study.id, "names": names}))


def find_patients(connection: Connection, study: Study, names: Sequence[str]) -> dict[str, int]:
    """Return the row ids of those of ``names`` who are patients of the study."""
    condition = (patients.c.study_id == study.id) & patients.c.name.in_(names)
    found = connection.execute(select(patients.c.name, patients.c.id).where(condition))
    return {row.name: row.id for row in found}


def add_patients(transaction: Transaction, study: Study, names: Iterable[str]) -> dict[str, int]:
    """Add patients, and return the ids of those who were new, by name.

    They are added in the order of their names, so that two transactions never deadlock.

    Raises:
        Conflict: one of them was erased just now; the transaction cannot go on.
    """
    new = _add(transaction, study, sorted(names))
    _cover(transaction, study, new)
    return new


def _add(transaction: Transaction, study: Study, names: Sequence[str]) -> dict[str, int]:
    new = _insert(transaction, study, names)
    # This is checked last: the insert waited for an erasure under way to be committed.
    if new and find_erased(transaction.connection, study, list(new)):
        raise Conflict("one of these patients was erased meanwhile")
    return new


def _insert(transaction: Transaction, study: Study, names: Sequence[str]) -> dict[str, int]:
    """Insert those of ``names`` who are no patients yet, and return their row ids."""
    if not names:
        return {}
    connection = transaction.connection
    rows: dict[str, object] = {"study": study.id, "names": names}
    if connection.dialect.name == "sqlite":
        rows["first"] = next(reserve_ids(connection, patients, len(names)))
    return dict(_INSERT[connection.dialect.name].rows(connection, rows))


def _cover(transaction: Transaction, study: Study, new: Mapping[str, int]) -> None:
    rows = ({"id": n, "study_id": study.id, "name": name} for name, n in new.items())
    cover(transaction, patients, rows)


def lock_patient_row(transaction: Transaction, study: Study, name: str) -> int:
    """Return the row id of an existing patient, locked until the transaction ends.

    Raises:
        NotFound: the study has no such patient.
    """
    row_id = find_patient(transaction.connection, study, name)
    transaction.lock(_LOCK_ROW, {"of_patient": row_id})
    return row_id


def find_erased(connection: Connection, study: Study, names: Sequence[str]) -> set[str]:
    """Return those of ``names`` whose values were erased."""
    return {name for (name,) in _ERASED.rows(connection, {"study": study.id, "names": names})}


def lock_patients(transaction: Transaction, wanted: ColumnElement[bool]) -> list[int]:
    """Lock the wanted patients in the order of their names, as others do; return their row ids."""
    query = select(patients.c.name, patients.c.id).where(wanted)
    found = transaction.read().execute(query)
    row_ids = [n for _, n in sorted((row.name, row.id) for row in found)]
    for row_id in row_ids:
        transaction.lock(_LOCK_ROW, {"of_patient": row_id})
    return row_ids


def save_courses(
    transaction: Transaction,
    patient_id: int,
    courses: tuple[Course, ...] | None,
    before: tuple[Course, ...],
) -> tuple[Course, ...]:
    """Record ``courses`` unless they are None or equal ``before``; return those that hold now."""
    if courses is None or courses == before:
        return before
    row = {
        "patient_id": patient_id,
        "courses": courses_document(courses),
        "recorded_at": transaction.runtime.now(),
    }
    append(transaction, treatments, [row])
    return courses
