"""Storing what is sent for one patient: append, supersede and regrade, in one transaction."""

from dataclasses import dataclass
from itertools import chain

from toxgrade.grading.fields import GradeRow
from toxgrade.grading.rules import Graders
from toxgrade.grading.summary import TermSummary
from toxgrade.server.records.addition import keep_added, keep_whole, plan_addition
from toxgrade.server.records.change import Submission, plan_change
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import locked_basis
from toxgrade.server.records.identity import Loc
from toxgrade.server.records.new_rows import append_rows
from toxgrade.server.records.patient_state import (
    PatientState,
    load_for_panel,
    load_patient_state,
)
from toxgrade.server.records.patients import lock_patient
from toxgrade.server.records.studies import lock_study


@dataclass(frozen=True, slots=True)
class Stored:
    """The current grades of each result sent, in order, and the summary of all the patient's.

    Grades of a result that was sent in an older version have the flag ``ignored-older`` here alone.
    ``after_death``: the places of results that were passed over; they have no grades here.
    """

    edition: str
    of_results: list[list[GradeRow]]
    summary: list[TermSummary]
    after_death: tuple[Loc, ...] = ()

    @property
    def grades(self) -> list[GradeRow]:
        """The grades of all results sent, in order."""
        return [row for rows in self.of_results for row in rows]


def store(transaction: Transaction, submission: Submission, graders: Graders) -> Stored:
    """Append what is new, regrade the patient, and return the current grades.

    Whether a result is new, a new version of a stored one, or a repetition is for ``Matcher``.

    Raises:
        NotFound: there is no such study.
        RequestError: a name, result, baseline or course cannot be accepted; it says which.
    """
    study = lock_study(transaction, submission.study)
    basis = locked_basis(transaction, study, graders)
    patient_id, is_new = lock_patient(transaction, study, submission.patient)
    known = PatientState() if is_new else load_for_panel(transaction, patient_id)
    change = plan_addition(transaction, basis, patient_id, known, submission)
    if change is not None:
        append_rows(transaction, [(patient_id, change.rows)])
        summary = keep_added(transaction, patient_id, known, change)
    else:
        if known.kept is not None:
            known = load_patient_state(transaction, patient_id)
        change = plan_change(
            transaction.connection,  # No row of the patient is queued: ``known`` is what is stored.
            basis, None if is_new else patient_id, known, submission, transaction.runtime.now(),
        )  # fmt: skip
        append_rows(transaction, [(patient_id, change.rows)])
        is_changed = is_new or bool(change.rows.grades) or change.rows.courses is not None
        current = [*chain.from_iterable(change.current.values())]
        summary = keep_whole(
            transaction, patient_id, basis, change.state, current, is_changed=is_changed
        )
    places = enumerate(loc for loc, _ in submission.results)
    late = tuple(loc for place, loc in places if change.is_passed_over(place))
    of_results = [change.grades_of(place) for place in range(len(submission.results))]
    return Stored(basis.grader.edition.name, of_results, summary.by_term(), late)
