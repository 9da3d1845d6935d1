"""Kept summaries that are not those of their patients' rows: no entry of the audit covers them."""

from collections.abc import Iterator

from sqlalchemy import Connection, select

from toxgrade import __version__
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.records.addition import summary_of
from toxgrade.server.records.audit_kept import UNREADABLE
from toxgrade.server.records.db.tables import patient_summaries, patients, studies
from toxgrade.server.records.grade_changes import Basis, read_basis
from toxgrade.server.records.kept_summary import Kept, read_document
from toxgrade.server.records.patient_state import PatientState, load_states
from toxgrade.server.records.studies import find_study

_STORED = (
    select(
        patient_summaries.c.patient_id,
        patient_summaries.c.basis,
        patient_summaries.c.document,
        studies.c.name,
    )
    .join(patients, patient_summaries.c.patient_id == patients.c.id)
    .join(studies, patients.c.study_id == studies.c.id)
    .order_by(patient_summaries.c.patient_id)
)


def wrong_summaries(connection: Connection) -> Iterator[str]:
    """Yield that there are such, computed anew; those of another version count for nothing."""
    wrong, bases, graders = 0, dict[str, Basis](), None
    for row in connection.execute(_STORED).all():
        kept = read_document(row.basis, row.document)
        if kept is None:
            wrong += f'"software":"{__version__}"' in row.document
            continue
        if row.name not in bases:
            graders = graders or Graders(load())
            bases[row.name] = read_basis(connection, find_study(connection, row.name), graders)
        try:
            state = load_states(connection, [row.patient_id])[row.patient_id]
        except UNREADABLE:
            continue  # Which row it is, its digest tells.
        wrong += not _is_right(kept, bases[row.name], state)
    if wrong:
        yield f"{wrong} summaries of patients are not those of their grades"


def _is_right(kept: Kept, basis: Basis, state: PatientState) -> bool:
    """Return whether a summary is as computed; by other rules than today's nothing rests on it."""
    if kept.summary.window != basis.study.rules.window:
        return kept.basis != basis.sha256
    found = summary_of(basis, state, state.grades)
    if kept.basis != basis.sha256:
        found.rests_on = kept.summary.rests_on
        return kept.summary == found
    made_by = {(row.software, row.criteria_sha256) for row in state.grades}
    return kept.summary == found and made_by <= {(__version__, basis.grader.edition.sha256)}
