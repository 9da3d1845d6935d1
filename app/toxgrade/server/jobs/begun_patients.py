"""Patients of whom a batch has stored some pieces and not yet the last one."""

from sqlalchemy import BindParameter, Connection, and_, bindparam, select

from toxgrade.server.jobs.queue import Task
from toxgrade.server.records.db.service_tables import ACTIVE, batch_pieces, batch_tasks, batches
from toxgrade.server.records.db.tables import patients, studies

_STUDY: BindParameter[str] = bindparam("study")
_PATIENT: BindParameter[str] = bindparam("patient")
_OF_PIECE = and_(
    batch_tasks.c.batch_id == batch_pieces.c.batch_id, batch_tasks.c.number == batch_pieces.c.number
)
_BATCH = (
    select(batches.c.id)
    .join(studies, studies.c.id == batches.c.study_id)
    .join(batch_tasks, batch_tasks.c.batch_id == batches.c.id)
    .join(batch_pieces, _OF_PIECE)
    .where(studies.c.name == _STUDY, ACTIVE, batch_tasks.c.state != "done")
    .where(batch_pieces.c.patient_id.is_not(None))
    .limit(1)
)
_BATCH_OF_PATIENT = _BATCH.join(patients, patients.c.id == batch_pieces.c.patient_id).where(
    patients.c.study_id == studies.c.id, patients.c.name == _PATIENT
)


def storing_batch(connection: Connection, study: str, patient: str | None) -> str | None:
    """Return the id of a batch that has stored a part of the patient (None: of any); None: no."""
    if patient is None:
        return connection.scalar(_BATCH, {"study": study})
    return connection.scalar(_BATCH_OF_PATIENT, {"study": study, "patient": patient})


def begun_patients(connection: Connection, task: Task) -> list[str]:
    """Return the patients of whom a grading task has stored some pieces."""
    c = batch_pieces.c
    of_task = and_(c.batch_id == task.batch_id, c.number == task.number)
    query = select(patients.c.name).join(batch_pieces, c.patient_id == patients.c.id)
    return list(connection.scalars(query.where(of_task).distinct()))
