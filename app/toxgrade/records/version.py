"""Which state of a study or a patient a caller has seen: its tag, and whether it still holds."""

import hashlib

from sqlalchemy import Connection, func, select

from toxgrade.errors import NotFound, Stale
from toxgrade.records.append import COVERED
from toxgrade.records.patients import lock_patient_row
from toxgrade.records.studies import Study, find_study, hold_study


def tag(connection: Connection, study: Study, patient_id: int | None = None) -> str:
    """An entity tag: it changes with every row added to the patient, or (None) to the study."""
    owner, number = ("study_id", study.id) if patient_id is None else ("patient_id", patient_id)
    newest = [
        select(func.max(table.c.id)).where(table.c[owner] == number).scalar_subquery()
        for table in COVERED
        if owner in table.c
    ]
    row = connection.execute(select(*newest)).one()
    return f'"{hashlib.sha256(str((owner, number, *row)).encode()).hexdigest()[:20]}"'


def require_tag(connection: Connection, study: str, patient: str | None, expected: str) -> None:
    """Refuse to go on unless the state is one that ``If-Match`` names; it stays so until the end.

    Raises:
        NotFound: no such study.
        Stale: it has changed since, or there is no such patient.
    """
    found = hold_study(connection, study, to_change=patient is None)
    try:
        number = None if patient is None else lock_patient_row(connection, found, patient)
    except NotFound:
        raise Stale("there is no such patient") from None
    wanted = {given.strip() for given in expected.split(",")}
    if not wanted & {"*", tag(connection, find_study(connection, study), number)}:
        raise Stale("it has changed since it was read: read it again, and decide again")
