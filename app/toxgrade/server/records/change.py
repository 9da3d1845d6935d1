"""What storing results of a patient changes, planned from what is stored; nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from msgspec.structs import replace
from sqlalchemy import Connection

from toxgrade.errors import FieldFault, RequestError
from toxgrade.grading.fields import GradeRow
from toxgrade.grading.flags import Flag
from toxgrade.grading.impossible_dates import is_after_death
from toxgrade.grading.patient import refuse_late_baseline
from toxgrade.grading.phase import course_faults
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.doubts import twins
from toxgrade.server.records.grade_changes import Basis, changed_grades, person_for
from toxgrade.server.records.identity import Loc, content, distinct, identity, one_time
from toxgrade.server.records.matching import Match, Matcher
from toxgrade.server.records.matching_versions import load_versions, results_up_to
from toxgrade.server.records.new_rows import NewRows
from toxgrade.server.records.patient_state import PatientState
from toxgrade.server.records.stored_results import Version, version_row


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
    """What a submission changes: ``rows``, to be appended; ``state`` and ``current`` hold then.

    ``state`` has the grades of before. ``current``: the grades of all its results by identity,
    those of ``rows`` among them.
    """

    rows: NewRows
    state: PatientState
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
        return [replace(row, flags=(*row.flags, Flag.IGNORED_OLDER)) for row in rows]


def plan_change(
    connection: Connection,
    basis: Basis,
    patient_id: int | None,
    known: PatientState,
    submission: Submission,
    now: datetime,
    base: int | None = None,
) -> Change:
    """Return what storing ``submission`` changes; ``patient_id`` None: the patient is new.

    ``known`` is the patient's current state, ``now`` the time of storing. ``base``: a part of the
    submission may be stored; all of it belongs to the results that were stored before, of ids up to
    ``base``.

    Raises:
        RequestError: a result, baseline or course cannot be accepted; it says which.
    """
    names = basis.grader.names
    own = {v.identity: v for v in known.results if base is not None and (v.id or 0) > base}
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
        matches = _matches(connection, basis, patient_id, known.results, sent)
    else:
        stored_before = results_up_to(connection, patient_id, base)
        matches = _matches(connection, basis, patient_id, stored_before, sent)
        matches = _not_yet_stored(connection, basis, patient_id, known, sent, matches)
    new = [version for match in matches if (version := match.version)]
    stored = {version.identity: version for version in known.results}
    for version in new:
        stored.pop(version.identity, None)
        stored[version.identity] = version
    state = PatientState(courses, [*stored.values()], known.grades, known.died)
    person = person_for(connection, basis, patient_id)
    changed, current = changed_grades(state, basis, person, now)
    new_rows = NewRows(courses if courses != known.courses else None, new, changed)
    found = iter(_by_result(results_sent, sent, matches, names))
    of_results = [None if loc in passed_over else next(found) for loc, _ in submission.results]
    return Change(new_rows, state, current, of_results)


def _matches(
    connection: Connection,
    basis: Basis,
    patient_id: int | None,
    stored: Sequence[Version],
    sent: Sequence[tuple[LabResult, bool]],
) -> list[Match]:
    """Return where the results sent belong among those stored."""
    results = [result for result, _ in sent]
    versions = load_versions(connection, patient_id, stored, results, basis.grader)
    return Matcher(basis.grader.names, versions).match_all(sent)


def _not_yet_stored(
    connection: Connection,
    basis: Basis,
    patient_id: int | None,
    known: PatientState,
    sent: Sequence[tuple[LabResult, bool]],
    matches: Sequence[Match],
) -> list[Match]:
    """Return the matches without the versions that are stored by now.

    Where another caller stored something else of the same result meanwhile, what was sent belongs
    to that.
    """
    stored, found = {version.identity: version for version in known.results}, []
    contested = dict[int, tuple[LabResult, bool]]()
    for at, match in enumerate(matches):
        there, version = stored.get(match.identity), match.version
        if version and there and there.number >= version.number:
            if version_row(there) != version_row(version):
                contested[at] = sent[at]
            match = Match(match.identity, None, match.ignored)
        found.append(match)
    if contested:
        others = [*contested.values()]
        again = _matches(connection, basis, patient_id, known.results, others)
        for at, match in zip(contested, again, strict=True):
            found[at] = match
    return found


def _after_death(
    submission: Submission, died: date | None, own: Mapping[str, Version], names: Names
) -> dict[Loc, None]:
    """Return the places of results that are dated after the death, if they may be passed over.

    Those that are stored by now stay; ``own`` has the versions that may be theirs, by identity.

    Raises:
        RequestError: they may not.
    """
    late = {
        loc: None
        for loc, result in submission.results
        if is_after_death(result, died)
        and not (
            (there := own.get(key := identity(result, names)))
            and version_row(there) == version_row(Version(key, there.number, result))
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
    """Return the match of each result, also of those left out of ``sent``: repetitions, and of a
    message those whose number and time another one holds (``twins``), whatever their identities.
    """
    if [result for result, _ in sent] == results:
        return matches
    keys = [(identity(result, names), *content(result, names)) for result, _ in sent]
    by_content = dict(zip(keys, matches, strict=True))
    by_identity = {key[0]: match for key, match in zip(keys, matches, strict=True)}
    found = dict[int, Match]()
    for of_one in one_time(results, names):
        places = {id(result): identity(result, names) for result in of_one}
        own = [by_identity[key] for key in places.values() if key in by_identity]
        for result in of_one:
            key = places[id(result)]
            same = by_content.get((key, *content(result, names)))
            found[id(result)] = same or by_identity.get(key) or own[0]
    return [found[id(result)] for result in results]
