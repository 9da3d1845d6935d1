"""Which worst grades of a study depend on how CTCAE's text is read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, case, or_, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.table_report import Effect
from toxgrade.cohort.toxicity_table import SEVERE
from toxgrade.criteria.interpretations import Interpretation
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.patient import grade_patient
from toxgrade.grading.phase import belongs
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders
from toxgrade.server.records.current_state import current_courses, current_results
from toxgrade.server.records.db.tables import grades, patients
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges
from toxgrade.server.reports.cohort_queries import counted

_WITHIN_RANGE = grades.c.flags.contains(Flag.WITHIN_REFERENCE_RANGE.value)


def interpretation_effects(
    connection: Connection, study: Study, scope: Scope, terms: Iterable[str], graders: Graders
) -> list[Effect]:
    """Return what a table's worst grades from 1 up depend on, one interpretation at a time.

    ``terms``: those of the table's rows; of other terms only severe grades are in it.
    """
    now = graders.for_rules(study.rules)
    open_ones = [one for one in now.edition.interpretations if len(one.choices) > 1]
    candidates = _candidates(connection, study, scope, {*terms}, open_ones)
    effects: dict[tuple[str, str, str, str, int | None, int | None], list[str]] = {}
    for interpretation in open_ones:
        if not (found := candidates[interpretation.name]):
            continue
        chosen = dict(study.rules.interpretations)
        default = chosen.get(interpretation.name, interpretation.choices[0].name)
        others = [choice.name for choice in interpretation.choices if choice.name != default]
        for other in others:
            choices = tuple((chosen | {interpretation.name: other}).items())
            then = graders.for_rules(replace(study.rules, interpretations=choices))
            for name, term, worst, other_worst in _changes(
                connection, study, scope, found, now, then
            ):
                key = (interpretation.name, default, other, term, worst, other_worst)
                effects.setdefault(key, []).append(name)
    return [Effect(*key, len(names), names) for key, names in effects.items()]


_Candidates = dict[tuple[int, str], set[str]]
"""Terms that may depend on an interpretation, by patient's row number and name."""


def _candidates(
    connection: Connection,
    study: Study,
    scope: Scope,
    terms: set[str],
    interpretations: Sequence[Interpretation],
) -> dict[str, _Candidates]:
    """Return by interpretation the patients and terms with a grade from 1 up that it concerns.

    The one that concerns any term changes only grades of values within the reference range. All are
    found by one query: each would read all grades of the study again.
    """
    named = {term for one in interpretations for term in one.terms}
    within = case((_WITHIN_RANGE, 1), else_=0).label("within_range")
    rows = connection.execute(
        select(patients.c.id, patients.c.name, grades.c.term, within)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, counted(scope))
        .where(or_(grades.c.term.in_(named), _WITHIN_RANGE))
        .where(grades.c.phase.in_((*scope.phases, "unknown")))
        .where(or_(and_(grades.c.term.in_(terms), grades.c.at_least >= 1),
                   grades.c.at_least >= SEVERE))
        .distinct()
        .order_by(patients.c.name)
    )  # fmt: skip
    found: dict[str, _Candidates] = {one.name: {} for one in interpretations}
    for patient_id, name, term, is_within in rows:
        for one in interpretations:
            if term in one.terms or (not one.terms and is_within):
                found[one.name].setdefault((patient_id, name), set()).add(term)
    return found


def _changes(
    connection: Connection,
    study: Study,
    scope: Scope,
    candidates: _Candidates,
    now: TermGrader,
    then: TermGrader,
) -> Iterator[tuple[str, str, int | None, int | None]]:
    """Yield patient, term and both worst grades, where they differ."""
    for (patient_id, name), terms in candidates.items():
        analytes = {term.analyte for term in now.edition.terms if term.name in terms}
        stored = [version.result for version in current_results(connection, patient_id)]
        stored = [r for r in stored if (a := now.names.analyte(r.analyte)) and a.name in analytes]
        labs = with_study_ranges(connection, study, patient_id, stored, now.names)
        courses = current_courses(connection, patient_id)
        before, after = (_worst(labs, courses, grader, study, scope) for grader in (now, then))
        for term in sorted(terms):
            if before.get(term) != after.get(term):
                yield name, term, before.get(term), after.get(term)


def _worst(
    labs: Sequence[LabResult],
    courses: Sequence[Course],
    grader: TermGrader,
    study: Study,
    scope: Scope,
) -> dict[str, int]:
    """Return the highest certain grade of each term in the scope."""
    worst: dict[str, int] = {}
    for entry in grade_patient(labs, courses, grader, study.rules.window):
        own_course = (entry.course or 0) == scope.course - 1
        within = own_course and entry.phase in scope.phases
        if entry.phase == "unknown":
            within = belongs(entry.places, scope.course - 1, scope.phases) is True
        least = entry.grade.at_least
        if within and entry.grade.term and least is not None:
            name = entry.grade.term.name
            worst[name] = max(worst.get(name, 0), least)
    return worst
