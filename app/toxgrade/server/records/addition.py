"""What a panel adds to a patient with many results, planned beside the few that grades rest on.

A grade depends on other results of its patient in these ways only:

- on the baseline of its test and course, and on whether another may be it (``foundations``);
- for its flags, on the results of the same number (``doubts``), by which it is also matched.

So a panel is planned as ever, but beside these results instead of all. The plan holds if it only
adds: results of which no other's grade can be (``stands_beside``), and grades that supersede none.
Whatever else it finds is planned again beside all results.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from toxgrade import __version__
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.flags import Flag
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.patient import foundations, stands_beside
from toxgrade.grading.units import Names
from toxgrade.server.records.change import Change, Submission, plan_change
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.grade_changes import Basis
from toxgrade.server.records.kept_summary import FEWEST, Kept, KeptSummary, forget, keep
from toxgrade.server.records.matching_versions import number_of, sent_number
from toxgrade.server.records.patient_state import PatientState, with_results_of
from toxgrade.server.records.stored_results import Version

_MOST = 250
"""Of a patient whose grades rest on more results, all results are read."""
_MOST_NUMBERS = 5_000
"""Larger panels read all results: a statement of SQLite takes 32,766 parameters, two for each."""


def plan_addition(
    transaction: Transaction,
    basis: Basis,
    patient_id: int,
    part: PatientState,
    submission: Submission,
) -> Change | None:
    """Return what storing ``submission`` adds; None: it must be planned beside all results.

    ``part``: what the grades of the patient rest on.

    Raises:
        RequestError: as ``plan_change``, whatever else is stored.
    """
    if part.kept is None or part.kept.basis != basis.sha256:
        return None
    numbers = {sent_number(result, basis.grader.names) for _, result in submission.results}
    if len(numbers) > _MOST_NUMBERS or len(part.results) < len(part.kept.summary.rests_on or ()):
        return None
    known = with_results_of(transaction.connection, patient_id, part, numbers)
    now = transaction.runtime.now()
    change = plan_change(transaction.connection, basis, patient_id, known, submission, now)
    return change if _only_adds(change, basis.grader.names) else None


def keep_added(
    transaction: Transaction, patient_id: int, part: PatientState, change: Change
) -> KeptSummary:
    """Return the summary with what a panel adds, whose rows are appended, and keep it."""
    assert part.kept is not None, "it was planned beside it"
    summary = part.kept.summary
    if change.rows.grades:
        summary.add(change.rows.grades, change.state.courses)
        keep(transaction, patient_id, part.kept)
    return summary


def keep_whole(
    transaction: Transaction,
    patient_id: int,
    basis: Basis,
    state: PatientState,
    current: Sequence[GradeRow],
    *,
    is_changed: bool,
) -> KeptSummary:
    """Return the summary of a patient, all of whose current grades are given; keep it if it pays.

    ``is_changed``: rows of the patient are queued that drop the summary kept before.
    """
    summary = summary_of(basis, state, current)
    if not is_changed:
        forget(transaction, patient_id)
    if len(state.results) >= FEWEST:
        keep(transaction, patient_id, Kept(basis.sha256, summary))
    return summary


def summary_of(basis: Basis, state: PatientState, current: Sequence[GradeRow]) -> KeptSummary:
    """Return the summary of a patient, whose whole state and current grades are given."""
    rests_on = _rests_on(basis, state)
    summary = KeptSummary(__version__, basis.study.rules.window, rests_on)
    summary.add(current, state.courses)
    return summary


def _rests_on(basis: Basis, state: PatientState) -> tuple[int, ...] | None:
    """Return the row ids of the results that grades rest on; None: too many, or not told by these.

    It is the same with what is only added later.
    """
    versions, grader, names = state.results, basis.grader, basis.grader.names
    if len(versions) < FEWEST or not all(_has_plain_number(v, names) for v in versions):
        return None
    labs = [
        replace(v.result, flags=(Flag.AFTER_DEATH,))
        if is_after_death(v.result, state.died)
        else v.result
        for v in versions
    ]
    places = foundations(labs, state.courses, grader, basis.study.rules.window)
    ids = [versions[i].id or 0 for i in places]
    return tuple(sorted(ids)) if len(ids) <= _MOST else None


def _only_adds(change: Change, names: Names) -> bool:
    rows, courses = change.rows, change.state.courses
    added = {version.identity for version in rows.results}
    return rows.courses is None and (
        all(v.number == 1 and _has_plain_number(v, names) for v in rows.results)
        and all(stands_beside(v.result, courses) for v in rows.results)
        and all(row.supersedes_id is None and row.identity in added for row in rows.grades)
    )


def _has_plain_number(version: Version, names: Names) -> bool:
    """Return whether a result is found by its number, or without one by its identity, as stored."""
    return number_of(version, names) in (version.identity, version.result.source_id)
