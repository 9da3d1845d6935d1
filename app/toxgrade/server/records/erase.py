"""Erasing a patient's values for good, and withdrawing one result: each leaves its reason."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from toxgrade.errors import NotFound
from toxgrade.grading.rules import Graders
from toxgrade.server.records.db.append import COVERED, add_audit_note, append, digest
from toxgrade.server.records.db.service_tables import erasures, idempotency_keys
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.db.unit_of_work import unit_of_work
from toxgrade.server.records.patients import lock_patient_row
from toxgrade.server.records.regrade import regrade
from toxgrade.server.records.studies import Study, lock_study


def erase_patient(connection: Connection, study_name: str, patient: str, reason: str) -> int:
    """Delete every row of a patient; how many there were.

    Their digests go into the audit's entry, so that the rest of it can still be verified. The
    pseudonym stays taken.

    Raises:
        NotFound: no such study or patient.
    """
    study = lock_study(connection, study_name, to_change=True)  # who erases does it alone
    patient_id = lock_patient_row(connection, study, patient)
    mine = {table: table.c.patient_id == patient_id for table in COVERED if "patient_id" in table.c}
    erased = {
        table.name: {
            str(row["id"]): digest(dict(row)).hex()
            for row in connection.execute(select(table).where(of_patient)).mappings()
        }
        for table, of_patient in mine.items()
    }
    highest = {name: max(map(int, rows)) for name, rows in erased.items() if rows}
    stone = {"patient": patient, "highest": json.dumps(highest), "recorded_at": datetime.now(UTC)}
    connection.execute(insert(erasures).values(study_id=study.id, **stone))
    if connection.dialect.name == "postgresql":  # whose own role may not delete
        connection.execute(select(func.toxgrade_erase(patient_id)))
    else:
        for table in sorted(mine, key=lambda table: table is not grades):  # they refer to results
            connection.execute(delete(table).where(mine[table]))
        connection.execute(delete(patients).where(patients.c.id == patient_id))
    kept = idempotency_keys.c
    connection.execute(
        delete(idempotency_keys).where(kept.study == study_name, kept.patient == patient)
    )
    unit_of_work(connection).seen.clear()
    add_audit_note(
        connection, reason=reason, erased={name: rows for name, rows in erased.items() if rows}
    )
    return sum(map(len, erased.values()))


def erased_patients(connection: Connection, study: Study) -> list[str]:
    """Whose values were erased, by pseudonym."""
    return list(
        connection.scalars(select(erasures.c.patient).where(erasures.c.study_id == study.id))
    )


def withdraw(
    connection: Connection, study_name: str, patient: str, grade: int, reason: str, graders: Graders
) -> None:
    """Mark the result of a grade as entered in error, such as one sent for the wrong patient.

    What was stored stays readable; the reason is in the audit. Withdrawn again nothing changes.

    Raises:
        NotFound: no such study, patient or grade.
    """
    study = lock_study(connection, study_name)
    patient_id = lock_patient_row(connection, study, patient)
    of_grade = (
        select(results.c.identity)
        .join(grades, grades.c.result_id == results.c.id)
        .where(grades.c.id == grade, grades.c.patient_id == patient_id)
    )
    identity = connection.scalar(of_grade)
    if identity is None:
        raise NotFound("the patient has no such grade")
    versions = select(results).where(
        results.c.patient_id == patient_id, results.c.identity == identity
    )
    newest = connection.execute(versions.order_by(results.c.version.desc())).mappings().first()
    assert newest is not None
    add_audit_note(connection, reason=reason)
    if newest["status"] == "entered-in-error":
        return
    row: dict[str, Any] = {name: value for name, value in newest.items() if name != "id"}
    changed = {
        "version": newest["version"] + 1,
        "status": "entered-in-error",
        "recorded_at": datetime.now(UTC),
    }
    append(connection, results, [row | changed])
    regrade(connection, patient_id, graders.for_rules(study.rules), study)
