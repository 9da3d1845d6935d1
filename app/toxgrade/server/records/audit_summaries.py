"""Kept summaries that are not those of their patients' rows: no entry of the audit covers them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, select
from sqlalchemy.exc import DBAPIError

from toxgrade import __version__
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.records.addition import summary_of
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
    .where(patient_summaries.c.patient_id > bindparam("after", type_=Integer))
    .order_by(patient_summaries.c.patient_id)
    .limit(1_000)
)


def wrong_summaries(connection: Connection) -> Iterator[str]:
    """Yield that there are such, computed anew; those of another version count for nothing."""
    wrong, bases, graders = 0, dict[str, Basis](), cache(lambda: Graders(load()))
    for row in _stored(connection):
        try:
            if row.name not in bases:
                study = find_study(connection, row.name)
                bases[row.name] = read_basis(connection, study, graders())
            wrong += not _follows(connection, row, bases[row.name])
        except DBAPIError:
            raise
        except Exception:  # Rows were changed so that nothing follows from them.
            wrong += 1
    if wrong:
        yield f"{wrong} summaries of patients do not follow from their rows"


def _stored(connection: Connection) -> Iterator[Row[*tuple[Any, ...]]]:
    """Yield the kept summaries, reading some at a time: a study may have a million patients."""
    after = 0
    while page := connection.execute(_STORED, {"after": after}).all():
        yield from page
        after = page[-1].patient_id


def _follows(connection: Connection, row: Row[*tuple[Any, ...]], basis: Basis) -> bool:
    kept = read_document(row.basis, row.document)
    if kept is None:
        return f'"software":"{__version__}"' not in row.document
    state = load_states(connection, [row.patient_id])[row.patient_id]
    return _is_right(kept, basis, state)


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
