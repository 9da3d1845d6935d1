"""Storing many patients in one short transaction: all is planned before it begins.

The transaction only makes sure that what was read to plan it is still so, and appends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Integer, Table, bindparam, func, select

from toxgrade.errors import RequestError, ToxgradeError
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders
from toxgrade.server.records.change import Change, Submission, plan_change
from toxgrade.server.records.db.tables import (
    demographics,
    follow_ups,
    grades,
    results,
    treatments,
)
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import Basis, locked_basis
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.new_rows import NewRows, append_rows
from toxgrade.server.records.patient_state import PatientState, load_states
from toxgrade.server.records.patients import (
    add_patients,
    erased_error,
    find_erased,
    find_patients,
    lock_known,
)
from toxgrade.server.records.studies import Study, lock_study

_PATIENTS = bindparam("of_patients", type_=Integer, expanding=True)
_READ: tuple[Table, ...] = (results, grades, treatments, follow_ups, demographics)
_HIGHEST = [
    select(table.c.patient_id, func.max(table.c.id).label("highest"))
    .where(table.c.patient_id.in_(_PATIENTS))
    .group_by(table.c.patient_id)
    for table in _READ
]
# The sum keeps databases from reading all rows of the patient rather than the few newer ones.
_NEWER = [
    select(table.c.id)
    .where(table.c.patient_id + 0 == bindparam("of_patient"), table.c.id > bindparam("highest"))
    .limit(1)
    for table in _READ
]
Mark = tuple[int, ...]
"""The highest ids of a patient's rows, by table; rows of one patient are stored in their order."""


class StateChanged(ToxgradeError):
    """Something was stored since that the plan does not know of: it must be made anew."""


@dataclass(frozen=True, slots=True)
class SentPatient:
    """What a batch holds of one patient: results with their places.

    No two results with different content share an identity. ``courses`` None means that the batch
    gives none; the recorded courses then stay.
    """

    patient: str
    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...] | None


@dataclass(slots=True)
class Known:
    """A patient as read: the row id (None: new) and mark; ``begun``: parts of a plan are stored."""

    name: str
    id: int | None
    mark: Mark = (0,) * len(_READ)
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be stored of a patient, or the refusal of all of it."""

    known: Known
    change: Change | RequestError


def plan_many(
    connection: Connection,
    basis: Basis,
    sent: Sequence[SentPatient],
    now: datetime,
    base: int | None = None,
) -> list[Plan]:
    """Return for each patient what storing the results changes.

    ``now`` and ``base``: as for ``plan_change``.
    """
    names = [one.patient for one in sent]
    ids = find_patients(connection, basis.study, names)
    erased = find_erased(connection, basis.study, names)
    # Marks are read first: what is stored in between is found by them later.
    marks = _marks(connection, [*ids.values()]) if ids else {}
    states = load_states(connection, [*ids.values()]) if ids else {}
    found = []
    for one in sent:
        row_id = ids.get(one.patient)
        known = Known(one.patient, row_id, marks[row_id]) if row_id else Known(one.patient, None)
        state = states[row_id] if row_id else PatientState()
        submission = Submission(
            basis.study.name, one.patient, one.results, one.courses, passes_over_after_death=True
        )
        change: Change | RequestError
        try:
            if one.patient in erased:
                raise erased_error()
            change = plan_change(connection, basis, row_id, state, submission, now, base)
        except RequestError as error:
            change = error
        found.append(Plan(known, change))
    return found


def store_many(
    transaction: Transaction, basis: Basis, graders: Graders, new: Sequence[tuple[Known, NewRows]]
) -> None:
    """Append the new rows of patients, or the next part of those of one, as planned by ``basis``.

    Raises:
        StateChanged: rules, ranges or a patient are no longer as they were read; nothing is stored.
        Conflict: a new patient was added and erased meanwhile.
    """
    study = lock_study(transaction, basis.study.name)
    current = locked_basis(transaction, study, graders)
    if (current.study.rules, current.ranges.rows) != (basis.study.rules, basis.ranges.rows):
        raise StateChanged
    added = [known for known, _ in new if known.id is None]
    ids = add_patients(transaction, study, [known.name for known in added])
    if len(ids) < len(added):
        raise StateChanged
    stored = [known for known, _ in new if known.id is not None]
    _lock_as_read(transaction, study, stored)
    for known in added:
        known.id = ids[known.name]
    append_rows(transaction, [(known.id, rows) for known, rows in new if known.id is not None])
    if len(new) == 1:
        _move_mark(transaction, *new[0])


def _lock_as_read(transaction: Transaction, study: Study, wanted: Sequence[Known]) -> None:
    """Lock patients, and raise ``StateChanged`` unless all is as it was read."""
    if not wanted:
        return
    locked = lock_known(transaction, study, [known.name for known in wanted])
    if len(locked) < len(wanted):
        raise StateChanged
    marks: Mapping[int, Mark] | None = None
    for known in wanted:
        if known.begun:
            changed = _has_newer(transaction.read(), known)
        else:
            marks = marks or _marks(transaction.read(), [*locked.values()])
            changed = marks[locked[known.name]] != known.mark
        if changed:
            raise StateChanged


def _move_mark(transaction: Transaction, known: Known, rows: NewRows) -> None:
    """Count the rows just appended as read, so that the plan goes on with its next part."""
    if not known.begun and known.id is not None:
        known.begun, known.mark = True, _marks(transaction.read(), [known.id])[known.id]
        return
    last = [part[-1].id if part else None for part in (rows.results, rows.grades)]
    highest = [new or mark for new, mark in zip(last, known.mark, strict=False)]
    known.mark = (*highest, *known.mark[len(last) :])


def _marks(connection: Connection, ids: Sequence[int]) -> dict[int, Mark]:
    found = [
        {row.patient_id: row.highest for row in connection.execute(query, {"of_patients": ids})}
        for query in _HIGHEST
    ]
    return {row_id: tuple(by_patient.get(row_id, 0) for by_patient in found) for row_id in ids}


def _has_newer(connection: Connection, known: Known) -> bool:
    chosen = {"of_patient": known.id}
    return any(
        connection.scalar(query, chosen | {"highest": highest}) is not None
        for query, highest in zip(_NEWER, known.mark, strict=True)
    )
