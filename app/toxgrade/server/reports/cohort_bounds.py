"""The patients of a study over one course: their bounds by term, from grades and events.

The database computes the maxima (``GROUP BY``); memory holds one patient at a time, besides the
study's clinical events, courses and follow-ups, and the maxima of grades of unknown phase.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.patient_bounds import TermBounds, add_bounds, add_events, add_unplaced
from toxgrade.cohort.worst import CohortPatient
from toxgrade.errors import Conflict
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import possible_places
from toxgrade.grading.worst_grade import Bounds
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import (
    Courses,
    counted,
    courses_by_patient,
    current_and_final,
    deaths,
    events_by_patient,
    followed_until,
    may_be_baseline,
    reported_course,
)

_IS = grades.c.worse_than_baseline
_WORSE = case((_IS.is_(True), 2), (or_(_IS.is_(False), grades.c.at_least.is_(None)), 0), else_=1)
"""Its maximum says whether one is worse; what could not be graded at all says nothing."""
_RELATIVE = grades.c.flags.contains(Flag.RELATIVE_TO_BASELINE.value)
_AMBIGUOUS = may_be_baseline()
_PHASE = case((_AMBIGUOUS, "baseline"), else_=grades.c.phase).label("phase")
_DECIDED = and_(grades.c.at_least == grades.c.at_most, ~_AMBIGUOUS)
_MAXIMA = (
    func.max(case((_AMBIGUOUS, 0), else_=grades.c.at_least)).label("at_least"),
    func.max(grades.c.at_most).label("at_most"),
    func.max(case((_DECIDED, 1), else_=0)).label("decided"),
    func.max(_WORSE).label("worse"),
    func.max(case((_RELATIVE, 1), else_=0)).label("relative"),
)
"""The bounds of some grades, as ``_of_numbers`` reads them: ``grading.worst_grade`` in SQL."""
Maxima = Row[*tuple[Any, ...]]


def cohort(
    connection: Connection, study: Study, scope: Scope, courses: Courses | None = None
) -> Iterator[CohortPatient]:
    """Yield every patient of a study who had the course, by name; ``courses`` None: to be read.

    The baseline of a later course may be a result of the course before, which has another phase
    there; so it is taken from the grades that were compared with it.

    Raises:
        Conflict: the study holds grades of another edition than its rules name.
    """
    events = events_by_patient(connection, study)
    courses = courses_by_patient(connection, study) if courses is None else courses
    followed, died = followed_until(connection, study), deaths(connection, study)
    unplaced, window = _unplaced(connection, study), study.rules.window
    for patient_id, name, maxima in _by_patient(connection, study, scope):
        own = courses.get(patient_id, ())
        baseline, worst = _bounds(maxima, study, scope)
        course, next_start = reported_course(own, scope)
        if course is None:
            continue
        for row in unplaced.get(patient_id, ()):
            collected = read_collected(row.collected) if row.collected else None
            places = possible_places(collected, own, window)
            add_unplaced(worst, row.term, _of_row(row), places, scope)
        if "unknown" not in scope.attributions:
            worst.clear()
        recorded = events.get(patient_id, [])
        add_events(baseline, worst, recorded, own, window, scope, died.get(patient_id))
        if scope.include_baseline:
            for term, bounds in baseline.items():
                add_bounds(worst, term, bounds)
        seen_until = followed.get(patient_id)
        yield CohortPatient(name, baseline, worst, course, next_start, seen_until)


def _by_patient(
    connection: Connection, study: Study, scope: Scope
) -> Iterator[tuple[int, str, Sequence[Maxima]]]:
    """Yield row number, name and maxima of every patient of a study, by name.

    The names are merged with the maxima here: joined to them, which no index can find, PostgreSQL
    may compare every patient with those of every other.
    """
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    streamed = connection.execution_options(yield_per=2000).execute(_highest_grades(study, scope))
    with streamed as rows:
        everybody = connection.execute(named.order_by(patients.c.name)).all()
        row = next(rows, None)
        for patient_id, name in everybody:
            own = []
            while row is not None and row[0] <= name:
                if row[1] == patient_id:
                    own.append(row)
                row = next(rows, None)
            yield patient_id, name, own


def _bounds(maxima: Iterable[Maxima], study: Study, scope: Scope) -> tuple[TermBounds, TermBounds]:
    """Return a patient's baselines and worst grades by term."""
    baseline: TermBounds = {}
    worst: TermBounds = {}
    for _, _, phase, term, *numbers, certain, other_edition, baseline_grade in maxima:
        if other_edition:
            raise Conflict(
                f"the study holds grades of another edition than {study.rules.edition}: a"
                " report would mix them; regrade it (toxgrade regrade)"
            )
        if phase == "baseline":
            baseline[term] = _of_numbers(*numbers)
        elif phase in scope.phases:
            bounds = _of_numbers(*numbers)
            add_bounds(worst, term, bounds if certain else bounds.possible)
        if scope.course > 1 and baseline_grade is not None:
            compared = Bounds(baseline_grade, baseline_grade, decided=True)
            baseline.setdefault(term, compared)
    return baseline, worst


@lru_cache(1000)  # They recur from patient to patient.
def _of_numbers(
    at_least: int | None, at_most: int | None, decided: int, worse: int, relative: int
) -> Bounds:
    verdict = (False, None, True)[worse]
    return Bounds(at_least, at_most, bool(decided), verdict, bool(relative))


def _of_row(row: Maxima) -> Bounds:
    return _of_numbers(row.at_least, row.at_most, row.decided, row.worse, row.relative)


def _highest_grades(study: Study, scope: Scope) -> Select[*tuple[Any, ...]]:
    """Return a query for the maxima of all counted grades, by the name of their patient."""
    condition = and_(patients.c.study_id == study.id, counted(scope))
    certain: ColumnElement[int] = literal(1)
    if not scope.on_treatment:
        condition = and_(
            condition, or_(grades.c.phase != "acute", grades.c.on_treatment.is_not(True))
        )
        certain = case(
            (and_(grades.c.phase == "acute", grades.c.on_treatment.is_(None)), 0), else_=1
        )
    other_edition = case((grades.c.edition != study.rules.edition, 1), else_=0)
    # Names are found for the maxima: SQLite sorts 500,000 grades in 0.64 s, with names in 0.75 s.
    groups = (grades.c.patient_id, _PHASE, grades.c.term)
    highest_of = (
        select(
            *groups,
            *_MAXIMA,
            func.min(certain).label("certain"),
            func.max(other_edition).label("other_edition"),
            func.max(grades.c.baseline_grade).label("baseline_grade"),
        )
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(condition)
        .group_by(*groups, *([] if scope.on_treatment else [certain]))
        .subquery()
    )
    name = select(patients.c.name).where(patients.c.id == highest_of.c.patient_id)
    named = name.scalar_subquery().label("name")
    return select(named, highest_of).order_by(named)


def _unplaced(connection: Connection, study: Study) -> dict[int, list[Maxima]]:
    """Return the maxima of grades of unknown phase by patient, term and where they may belong.

    All that lack only the end of a course may be acute or late, so they are one group, which
    ``collected`` of any of them stands for.
    """
    no_end = grades.c.flags.contains(Flag.NO_RADIOTHERAPY_END.value)
    span = case((no_end, "no end"), else_=func.coalesce(results.c.collected, ""))
    groups = (grades.c.patient_id, grades.c.term, grades.c.course, span)
    rows: Iterable[Maxima] = connection.execute(
        select(*groups[:3], *_MAXIMA, func.max(results.c.collected).label("collected"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(patients.c.study_id == study.id, current_and_final())
        .where(grades.c.phase == "unknown", grades.c.course.is_not(None))
        .group_by(*groups)
    )
    found: dict[int, list[Maxima]] = {}
    for row in rows:
        found.setdefault(row.patient_id, []).append(row)
    return found
