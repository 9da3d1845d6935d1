"""What storing results of a patient changes, planned from what is stored; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.flags import Flag
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.patient import refuse_late_baseline
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.doubts import twins
from toxgrade.server.records.grade_changes import Basis, changed_grades, person_for, version_of
from toxgrade.server.records.identity import Loc, content, distinct, identity
from toxgrade.server.records.matching import Match, Matcher
from toxgrade.server.records.new_rows import NewRows, result_row
from toxgrade.server.records.patient_state import (
    GradeRow,
    PatientState,
    load_versions,
    results_up_to,
)
from toxgrade.server.records.version_index import Version


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller sends for one patient.

    Each of ``results`` has its place in the request. ``courses`` None leaves the treatment as it
    is, an empty tuple clears it, and a single course replaces the first one. ``is_message``: two
    contents of one result are both kept, where a JSON request with such is refused.
    ``passes_over_after_death``: results dated after the patient's death are left out and told of,
    where a JSON request with such is refused.
    """

    study: str
    patient: str
    results: tuple[tuple[Loc, LabResult], ...]
    courses: tuple[Course, ...] | None
    is_message: bool = False
    passes_over_after_death: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a submission changes: ``rows``, to be appended; ``courses`` and ``current`` hold then.

    ``current``: the grades of all the patient's results by identity, those of ``rows`` among them.
    """

    rows: NewRows
    courses: tuple[Course, ...]
    current: Mapping[str, list[GradeRow]]
    matches: Sequence[Match | None]

    def is_passed_over(self, place: int) -> bool:
        """Return whether the result sent at ``place`` is left out, as dated after the death."""
        return self.matches[place] is None

    def grades_of(self, place: int) -> list[GradeRow]:
        """Return the grades of the result sent at ``place``; none if it was passed over."""
        match = self.matches[place]
        rows = self.current[match.identity] if match else []
        if match is None or not match.ignored:
            return rows
        return [row | {"flags": f"{row['flags']} {Flag.IGNORED_OLDER}".lstrip()} for row in rows]


def plan_change(
    connection: Connection,
    basis: Basis,
    patient_id: int | None,
    known: PatientState,
    submission: Submission,
    base: int | None = None,
) -> Change:
    """Return what storing ``submission`` changes; ``patient_id`` None: the patient is new.

    ``known`` is the patient's current state. ``base``: a part of the submission may be stored; all
    of it belongs to the results that were stored before, of ids up to ``base``.

    Raises:
        RequestError: a result, baseline or course cannot be accepted; it says which.
    """
    names = basis.grader.names
    own = {r["identity"]: r for r in known.results if base is not None and r["id"] > base}
    passed_over = _after_death(submission, known.died, own, names)
    located = [(loc, result) for loc, result in submission.results if loc not in passed_over]
    results_sent = [result for _, result in located]
    if submission.is_message:
        sent = twins(results_sent, names)
    else:
        sent = [(result, False) for result in distinct(located, names)]
    courses = known.courses
    if base is None:
        courses = _courses(courses, submission)
        refuse_late_baseline(submission.results, courses)
        matches = _matches(connection, basis, known.results, sent)
    else:
        matches = _matches(connection, basis, results_up_to(connection, patient_id, base), sent)
        matches = _not_yet_stored(connection, basis, known, sent, matches)
    new = [(_row(version), version) for match in matches if (version := match.version)]
    stored = {row["identity"]: (row, version_of(row)) for row in known.results}
    for row, version in new:
        stored.pop(version.identity, None)
        stored[version.identity] = row, version
    rows, versions = [row for row, _ in stored.values()], [one for _, one in stored.values()]
    state = PatientState(courses, rows, known.grades, known.died)
    person = person_for(connection, basis, patient_id)
    changed, current = changed_grades(state, versions, basis, person)
    new_rows = NewRows(
        courses if courses != known.courses else None, [row for row, _ in new], changed
    )
    found = iter(_by_result(results_sent, sent, matches, names))
    of_results = [None if loc in passed_over else next(found) for loc, _ in submission.results]
    return Change(new_rows, courses, current, of_results)


def _matches(
    connection: Connection,
    basis: Basis,
    stored: Sequence[Mapping[str, Any]],
    sent: Sequence[tuple[LabResult, bool]],
) -> list[Match]:
    """Return where the results sent belong among those stored."""
    results = [result for result, _ in sent]
    versions = load_versions(connection, stored, results, basis.grader)
    return Matcher(basis.grader.names, versions).match_all(sent)


def _not_yet_stored(
    connection: Connection,
    basis: Basis,
    known: PatientState,
    sent: Sequence[tuple[LabResult, bool]],
    matches: Sequence[Match],
) -> list[Match]:
    """Return the matches without the versions that are stored by now.

    Where another caller stored something else of the same result meanwhile, what was sent belongs
    to that.
    """
    stored, found, contested = {r["identity"]: r for r in known.results}, [], dict[int, Any]()
    for at, match in enumerate(matches):
        row, version = stored.get(match.identity), match.version
        if version and row and row["version"] >= version.number:
            if not _is_same(row, version):
                contested[at] = sent[at]
            match = Match(match.identity, None, match.ignored)
        found.append(match)
    if contested:
        again = _matches(connection, basis, known.results, [*contested.values()])
        for at, match in zip(contested, again, strict=True):
            found[at] = match
    return found


def _is_same(row: Mapping[str, Any], version: Version) -> bool:
    """Return whether a stored result is this version, to the letter."""
    return all(row[name] == value for name, value in _row(version).items())


def _row(version: Version) -> dict[str, Any]:
    """Return a version as it is stored, without patient and time."""
    return {"identity": version.identity, "version": version.number} | result_row(version.result)


def _after_death(
    submission: Submission, died: date | None, own: Mapping[str, Mapping[str, Any]], names: Names
) -> dict[Loc, None]:
    """Return the places of results that are dated after the death, if they may be passed over.

    Those that are stored by now stay; ``own`` has the rows that may be theirs, by identity.

    Raises:
        RequestError: they may not.
    """
    late = {
        loc: None
        for loc, result in submission.results
        if is_after_death(result, died)
        and not (
            (row := own.get(key := identity(result, names)))
            and _is_same(row, Version(key, row["version"], result))
        )
    }
    if late and not submission.passes_over_after_death:
        text = "expected a day up to the recorded death, or a withdrawal"
        faults = [FieldFault((*loc, "collected"), "after-death", text) for loc in late]
        raise RequestError("a result is dated after the patient's death", faults)
    return late


def _courses(before: tuple[Course, ...], submission: Submission) -> tuple[Course, ...]:
    """Return the courses with the first one as sent; its dose and later courses stay."""
    if submission.courses is None:
        return before
    if not submission.courses or not before:
        return submission.courses
    (sent,) = submission.courses
    first = replace(sent, dose_gy=before[0].dose_gy, fractions=before[0].fractions)
    courses = (first, *before[1:])
    if faults := course_faults(courses):
        named = [FieldFault(("radiotherapy", f.loc[1]), f.code, f.message) for f in faults]
        raise RequestError("the radiotherapy dates contradict the courses recorded", named)
    return courses


def _by_result(
    results: Sequence[LabResult],
    sent: Sequence[tuple[LabResult, bool]],
    matches: Sequence[Match],
    names: Names,
) -> Sequence[Match]:
    """Return the match of each result, also of those left out of ``sent`` as repetitions."""
    if [result for result, _ in sent] == results:
        return matches
    keys = [(identity(result, names), *content(result, names)) for result, _ in sent]
    by_content = dict(zip(keys, matches, strict=True))
    by_identity = {key[0]: match for key, match in zip(keys, matches, strict=True)}
    return [
        by_content.get((key, *content(result, names)), by_identity[key])
        for result in results
        for key in [identity(result, names)]
    ]
