"""The toxicity table of a stored study, its rows, and its changes by another edition."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from toxgrade.cohort.definition import (
    Scope,
    TableRow,
    collected_rows,
    definition_text,
    paper_rows,
)
from toxgrade.cohort.shift_table import ShiftReport, shift_report, shift_table
from toxgrade.cohort.table_report import StudyTableReport, table_report
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.criteria.model import Direction, Edition
from toxgrade.criteria.vocabulary import Vocabulary
from toxgrade.errors import CriteriaError, FieldFault, RequestError
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.result import Course, Grade, LabResult
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.records.current_state import current_courses, results_until_death
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges
from toxgrade.server.reports.cohort_bounds import cohort
from toxgrade.server.reports.cohort_queries import (
    courses_by_patient,
    events_by_patient,
    head,
)
from toxgrade.server.reports.interpretation_effect import interpretation_effects
from toxgrade.server.reports.left_out import study_left_out

_Key = tuple[int, Direction]
"""The place of a result in the list of a patient's results, and the direction of a term."""


def study_table(
    connection: Connection, study: Study, graders: Graders, scope: Scope
) -> StudyTableReport:
    """Return the study's toxicity table, with its definition and what it rests on."""
    edition = graders.for_rules(study.rules).edition
    events = events_by_patient(connection, study)
    recorded = {event.term for own in events.values() for event in own}
    collected = recorded.union(study.clinical_terms)
    rows, not_collected = collected_rows(study_rows(study, edition), collected)
    window = study.rules.window
    courses = courses_by_patient(connection, study)
    table = toxicity_table(cohort(connection, study, scope, courses), rows, scope, window)
    definition = definition_text(edition, window, rows, scope)
    terms = [term for row in rows for term in (*row.terms, *row.also)]
    effects = interpretation_effects(connection, study, scope, terms, graders)
    report = table_report(
        table, definition, not_collected, study_left_out(connection, study, scope, courses)
    )
    return StudyTableReport(**vars(head(study)), **vars(report), depends_on_interpretation=effects)


def study_shifts(
    connection: Connection, study: Study, edition: Edition, row: TableRow, scope: Scope
) -> ShiftReport:
    """Return the study's shift table of a row."""
    courses = courses_by_patient(connection, study)
    table = shift_table(cohort(connection, study, scope, courses), row)
    definition = definition_text(edition, study.rules.window, [row], scope)
    left = study_left_out(connection, study, scope, courses)
    return shift_report(head(study), table, row, scope, definition, left)


def study_rows(study: Study, edition: Edition) -> tuple[TableRow, ...]:
    """Return the rows that the study has chosen, or those of the paper."""
    if study.rows is None:
        return paper_rows(edition, study.liver_enzymes)
    graded = {term.name for term in edition.terms}
    return tuple(
        TableRow(row.label, row.terms, graded.isdisjoint(row.terms), row.with_baseline)
        for row in study.rows
    )


def find_row(name: str, study: Study, edition: Edition, vocabulary: Vocabulary) -> TableRow:
    """Return the study's row with that label, in any case, or a row of the term of that name.

    Raises:
        RequestError: there is neither; the message names similar terms and the labels.
    """
    rows = study_rows(study, edition)
    by_label = {row.label.casefold(): row for row in rows}
    if found := by_label.get(name.casefold()):
        return found
    try:
        term = vocabulary.term(name).name
    except CriteriaError as error:
        labels = ", ".join(row.label for row in rows)
        fault = FieldFault(("query", "term"), "unknown-term", f"{error}, or one of {labels}")
        raise RequestError("there is no such term or row", [fault]) from None
    return TableRow(term, (term,), clinical=term not in {t.name for t in edition.terms})


@dataclass(frozen=True, slots=True)
class Change:
    """One result that two sets of rules grade differently; None: those rules do not grade it."""

    patient: str
    result: LabResult
    before: Grade | None
    after: Grade | None


def changed_grades(
    connection: Connection, study: Study, rules: Rules, graders: Graders
) -> Iterator[Change]:
    """Yield the grades of a study that would change under ``rules``, by patient, then by arrival.

    Nothing is stored. Grades are matched by result and direction, since terms change their names.

    Raises:
        CriteriaError: no such edition, interpretation or choice.
    """
    old, new = graders.for_rules(study.rules), graders.for_rules(rules)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    for patient_id, name in connection.execute(named.order_by(patients.c.name)).all():
        results = results_until_death(connection, patient_id)
        labs = with_study_ranges(connection, study, patient_id, results, old.names)
        courses = current_courses(connection, patient_id)
        before = _graded(labs, courses, old, study.rules)
        after = _graded(labs, courses, new, rules)
        for key in sorted(before.keys() | after.keys()):
            was, now = before.get(key), after.get(key)
            if _bounds(was) != _bounds(now):
                yield Change(name, labs[key[0]], was, now)


def _graded(
    labs: list[LabResult], courses: tuple[Course, ...], grader: TermGrader, rules: Rules
) -> dict[_Key, Grade]:
    """Grade the results of a patient; return the grades by result and direction."""
    return {
        (entry.index, entry.grade.term.direction): entry.grade
        for entry in grade_patient(labs, courses, grader, rules.window)
        if entry.grade.term
    }


def _bounds(grade: Grade | None) -> tuple[int | None, int | None]:
    return (grade.at_least, grade.at_most) if grade else (None, None)
