"""The rows that a change adds to patients: appended together, whole or in parts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from toxgrade.grading.digits import to_plain_text
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.records.current_state import courses_document, issued_text, unreadable_marks
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.tables import grades, results, treatments

GradeOfResult = tuple[dict[str, Any], Mapping[str, Any]]
"""A new grade, and the row of the result that it grades, which has its ``id`` by then."""


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows of one patient that are not stored yet, without ids; ``courses`` None: no treatment."""

    courses: tuple[Course, ...] | None = None
    results: Sequence[dict[str, Any]] = ()
    grades: Sequence[GradeOfResult] = ()

    def parts(self, size: int) -> Iterator["NewRows"]:
        """Yield the rows in parts to be appended in order, each of about ``size`` results.

        The grades of a new result are in its part; those of stored results come last.
        """
        of_result = defaultdict[int, list[GradeOfResult]](list)
        for grade in self.grades:
            of_result[id(grade[1])].append(grade)
        units = [([row], of_result.pop(id(row), [])) for row in self.results]
        rest = iter([*units, *(([], found) for found in of_result.values())])
        courses = self.courses
        while (some := [*islice(rest, size)]) or courses is not None:
            rows = [row for new, _ in some for row in new]
            yield NewRows(courses, rows, [grade for _, graded in some for grade in graded])
            courses = None

    def __len__(self) -> int:
        """Return the number of rows of results and grades."""
        return len(self.results) + len(self.grades)


def append_rows(connection: Connection, new: Sequence[tuple[int, NewRows]]) -> None:
    """Append the new rows of patients, each given by row id; the rows are given their ids."""
    now = datetime.now(UTC)
    owners = [(rows, {"patient_id": patient, "recorded_at": now}) for patient, rows in new]
    treated = [
        owner | {"courses": courses_document(rows.courses)}
        for rows, owner in owners
        if rows.courses is not None
    ]
    append(connection, treatments, treated)
    for rows, owner in owners:
        for row in rows.results:
            row |= owner
    append(connection, results, [row for rows, _ in owners for row in rows.results])
    for rows, owner in owners:
        for grade, result in rows.grades:
            grade |= owner
            grade["result_id"] = result["id"]
    append(connection, grades, [grade for rows, _ in owners for grade, _ in rows.grades])


def result_row(result: LabResult) -> dict[str, object]:
    """Return a result's own columns as they are stored."""
    return {
        "analyte": result.analyte,
        "value": result.value.text if result.value else None,
        "unit": result.unit,
        "lln": to_plain_text(result.lln),
        "uln": to_plain_text(result.uln),
        "limit_unit": result.limit_unit,
        "collected": result.collected.text if result.collected else None,
        "status": result.status,
        "is_baseline": result.is_baseline,
        "source_id": result.source_id,
        "source_scope": result.source_scope,
        "issued": issued_text(result),
        "lab": result.lab,
        "unreadable": unreadable_marks(result),
        "specimen": result.specimen,
        "indicator": result.indicator,
    }
