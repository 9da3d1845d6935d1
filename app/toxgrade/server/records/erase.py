"""Erasing a patient's values for good, and withdrawing one result: the audit keeps the reason."""

import json
from typing import Any

from sqlalchemy import Connection, delete, func, select

from toxgrade.errors import NotFound
from toxgrade.grading.rules import Graders
from toxgrade.server.records.db.append import (
    RECORDS,
    append,
    append_now,
    digest,
)
from toxgrade.server.records.db.service_tables import erasures
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import locked_basis
from toxgrade.server.records.patients import lock_patient_row
from toxgrade.server.records.preconditions import forget_answers_about
from toxgrade.server.records.pull_marks import forget_pull_marks
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import Study, lock_study


def erase_patient(transaction: Transaction, study_name: str, patient: str, reason: str) -> int:
    """Delete every row of a patient, and return the number of rows.

    Their digests go into the audit entry, so that the rest of the audit can still be verified. The
    pseudonym stays taken.

    Raises:
        NotFound: there is no such study or patient.
    """
    study = lock_study(transaction, study_name, to_change=True)  # nobody else stores meanwhile
    patient_id = lock_patient_row(transaction, study, patient)
    # Grades refer to results, so they go first, and all refer to the patient.
    conditions = {
        table: table.c.patient_id == patient_id
        for table in sorted(RECORDS, key=lambda table: table is not grades)
        if "patient_id" in table.c
    } | {patients: patients.c.id == patient_id}
    erased = {
        table.name: {
            str(row["id"]): digest(dict(row)).hex()
            for row in transaction.read().execute(select(table).where(condition)).mappings()
        }
        for table, condition in conditions.items()
    }
    highest = {name: max(map(int, rows)) for name, rows in erased.items() if rows}
    erasure = {
        "study_id": study.id,
        "patient": patient,
        "highest": json.dumps(highest),
        "recorded_at": transaction.runtime.now(),
    }
    append_now(transaction, erasures, erasure)
    connection = transaction.read()
    if connection.dialect.name == "postgresql":  # The service's role may not delete there.
        connection.execute(select(func.toxgrade_erase(patient_id)))
    else:
        for table, condition in conditions.items():
            connection.execute(delete(table).where(condition))
    forget_answers_about(transaction, study_name, patient)
    forget_pull_marks(transaction, study, patient)
    transaction.cache.clear()
    transaction.note(reason=reason, erased={name: rows for name, rows in erased.items() if rows})
    return sum(len(rows) for name, rows in erased.items() if name != patients.name)


def erased_patients(connection: Connection, study: Study) -> list[str]:
    """Return the pseudonyms of the study's erased patients."""
    return list(
        connection.scalars(select(erasures.c.patient).where(erasures.c.study_id == study.id))
    )


def withdraw(
    transaction: Transaction,
    study_name: str,
    patient: str,
    grade: int,
    reason: str,
    graders: Graders,
) -> None:
    """Mark the result of a grade as entered in error, such as one sent for the wrong patient.

    What was stored stays readable; the audit keeps the reason. A second withdrawal changes nothing.

    Raises:
        NotFound: there is no such study, patient or grade.
    """
    study = lock_study(transaction, study_name)
    patient_id = lock_patient_row(transaction, study, patient)
    of_grade = (
        select(results.c.identity)
        .join(grades, grades.c.result_id == results.c.id)
        .where(grades.c.id == grade, grades.c.patient_id == patient_id)
    )
    identity = transaction.read().scalar(of_grade)
    if identity is None:
        raise NotFound("the patient has no such grade")
    same_result = select(results).where(
        results.c.patient_id == patient_id, results.c.identity == identity
    )
    in_order = same_result.order_by(results.c.version.desc())
    newest = transaction.connection.execute(in_order).mappings().first()
    assert newest is not None
    transaction.note(reason=reason)
    if newest["status"] == "entered-in-error":
        return
    row: dict[str, Any] = {name: value for name, value in newest.items() if name != "id"}
    changed = {
        "version": newest["version"] + 1,
        "status": "entered-in-error",
        "recorded_at": transaction.runtime.now(),
    }
    append(transaction, results, [row | changed])
    regrade(transaction, patient_id, locked_basis(transaction, study, graders))
