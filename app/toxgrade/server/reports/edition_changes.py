"""What another edition would make of a study: every grade that changes, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from toxgrade.criteria.model import Direction
from toxgrade.grading.grader import Grader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course, Grade, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.current_state import current_courses, current_results, stored_result
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges


@dataclass(frozen=True, slots=True)
class Change:
    """One result that the two editions grade differently; None: the edition does not grade it."""

    patient: str
    result: LabResult
    before: Grade | None
    after: Grade | None


def changed_grades(
    connection: Connection, study: Study, rules: Rules, graders: Graders
) -> Iterator[Change]:
    """The grades of a study that would change under ``rules``, by patient, in order of arrival.

    Nothing is stored. Results are matched by test and direction, since terms change their names.

    Raises:
        CriteriaError: no such edition, interpretation or reading.
    """
    old, new = graders.under(study.rules), graders.under(rules)
    mine = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    for patient_id, name in connection.execute(mine.order_by(patients.c.name)).all():
        results = [stored_result(row) for row in current_results(connection, patient_id)]
        labs = with_study_ranges(connection, study, patient_id, results, old.names)
        courses = current_courses(connection, patient_id)
        before = _graded(labs, courses, old, study.rules)
        after = _graded(labs, courses, new, rules)
        for key in sorted(before.keys() | after.keys()):
            was, now = before.get(key), after.get(key)
            if _bounds(was) != _bounds(now):
                yield Change(name, labs[key[0]], was, now)


_Key = tuple[int, Direction]


def _graded(
    labs: list[LabResult], courses: tuple[Course, ...], grader: Grader, rules: Rules
) -> dict[_Key, Grade]:
    return {
        (entry.index, entry.grade.term.direction): entry.grade
        for entry in grade_patient(labs, courses, grader, rules.window)
        if entry.grade.term
    }


def _bounds(grade: Grade | None) -> tuple[int | None, int | None]:
    return (grade.at_least, grade.at_most) if grade else (None, None)
