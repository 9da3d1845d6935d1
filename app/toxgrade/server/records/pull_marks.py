"""Up to when a patient's results were read from another system, in the transaction that keeps them.

A file beside the database would know of results that the database no longer has once that has been
restored from a backup, and they would never be asked for again.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from toxgrade.server.records.audit_kept import drop, keep
from toxgrade.server.records.db.service_tables import pull_marks
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import Study

_COLUMNS = pull_marks.c


@dataclass(frozen=True, slots=True)
class PullMark:
    """What ``asked_sha256`` stands for was read up to ``until``, by the other system's clock."""

    until: datetime
    asked_sha256: str


def find_pull_mark(
    connection: Connection, study: Study, patient: str, source: str
) -> PullMark | None:
    """Return up to when a patient's results were read from a source; None: never, or not known."""
    query = select(_COLUMNS.until, _COLUMNS.asked_sha256).where(
        _COLUMNS.study_id == study.id, _COLUMNS.patient == patient, _COLUMNS.source == source
    )
    row = connection.execute(query).first()
    return PullMark(row.until, row.asked_sha256) if row else None


def save_pull_mark(
    transaction: Transaction, study: Study, patient: str, source: str, mark: PullMark
) -> None:
    """Record up to when a patient's results have been read from a source."""
    key = {"study_id": study.id, "patient": patient, "source": source}
    same = [_COLUMNS[name] == value for name, value in key.items()]
    transaction.connection.execute(delete(pull_marks).where(*same))
    row = key | {"until": mark.until, "asked_sha256": mark.asked_sha256}
    transaction.connection.execute(insert(pull_marks).values(row))
    keep(transaction, pull_marks, row)


def forget_pull_marks(transaction: Transaction, study: Study, patient: str) -> None:
    """Delete the marks of a patient."""
    of_patient = (_COLUMNS.study_id == study.id, _COLUMNS.patient == patient)
    found = delete(pull_marks).where(*of_patient).returning(*pull_marks.primary_key)
    for row in transaction.connection.execute(found).mappings().all():
        drop(transaction, pull_marks, dict(row))
