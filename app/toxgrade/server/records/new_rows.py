"""The rows that a change adds to patients: appended together, whole or in parts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from msgspec.structs import astuple

from toxgrade.grading.fields import GRADE_TABLE, GradeRow
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import courses_document
from toxgrade.server.records.db.append import append, append_tuples
from toxgrade.server.records.db.tables import grades, results, treatments
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.stored_results import VERSION_NAMES, Version, version_row

_KEYS = ("id", "patient_id", "recorded_at", "result_id", "supersedes_id")
_GRADE_NAMES = tuple(sorted((*GRADE_TABLE, *_KEYS)))
# The text of the flags stands behind the row's fields, and counts.
_PLACES = {name: place for place, name in enumerate((*GradeRow.__struct_fields__, "flags"))}
_in_order = itemgetter(*(_PLACES[name] for name in _GRADE_NAMES))


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows of one patient that are not stored yet, without ids; ``courses`` None: no treatment.

    A grade without a ``result_id`` is of the new result of its identity.
    """

    courses: tuple[Course, ...] | None = None
    results: Sequence[Version] = ()
    grades: Sequence[GradeRow] = ()

    def parts(self, size: int) -> Iterator["NewRows"]:
        """Yield the rows in parts to be appended in order, each of about ``size`` results.

        The grades of a new result are in its part; those of stored results come last.
        """
        of_result = defaultdict[str, list[GradeRow]](list)
        for grade in self.grades:
            of_result[grade.identity].append(grade)
        last = {version.identity: version for version in self.results}
        units = [
            ([one], of_result.pop(one.identity, []) if last[one.identity] is one else [])
            for one in self.results
        ]
        rest = iter([*units, *(([], found) for found in of_result.values())])
        courses = self.courses
        while (some := [*islice(rest, size)]) or courses is not None:
            rows = [row for new, _ in some for row in new]
            yield NewRows(courses, rows, [grade for _, graded in some for grade in graded])
            courses = None

    def __len__(self) -> int:
        """Return the number of rows of results and grades."""
        return len(self.results) + len(self.grades)


def append_rows(transaction: Transaction, new: Sequence[tuple[int, NewRows]]) -> None:
    """Append the new rows of patients, each given by row id; the rows are given their ids."""
    now = transaction.runtime.now()
    treated = [
        {"patient_id": patient, "recorded_at": now, "courses": courses_document(rows.courses)}
        for patient, rows in new
        if rows.courses is not None
    ]
    append(transaction, treatments, treated)
    versions = [(version, patient) for patient, rows in new for version in rows.results]
    ids = transaction.take_ids(results, len(versions))
    found = [
        version_row(version, patient, row_id, now)
        for (version, patient), row_id in zip(versions, ids, strict=True)
    ]
    append_tuples(transaction, results, VERSION_NAMES, found)
    for (version, _), row_id in zip(versions, ids, strict=True):
        version.id, version.recorded_at = row_id, now
    for patient, rows in new:
        new_ids = {version.identity: version.id for version in rows.results}
        for grade in rows.grades:
            grade.patient_id, grade.recorded_at = patient, now
            grade.result_id = grade.result_id or new_ids[grade.identity]
    added = [grade for _, rows in new for grade in rows.grades]
    for grade, row_id in zip(added, transaction.take_ids(grades, len(added)), strict=True):
        grade.id = row_id
    append_tuples(transaction, grades, _GRADE_NAMES, [*map(_grade_row, added)])


def _grade_row(grade: GradeRow) -> tuple[object, ...]:
    """Return a grade as it is stored, by ``_GRADE_NAMES``; its flags are joined."""
    row: tuple[object, ...] = _in_order((*astuple(grade), " ".join(grade.flags)))
    return row
