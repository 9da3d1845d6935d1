"""The patients of a study over one course: their bounds by term, from grades and events.

The database computes the maxima (``GROUP BY``); memory holds one patient at a time, besides the
study's clinical events, courses and follow-ups, and the maxima of grades of unknown phase.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter

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
"""The bounds of some grades, as ``_of_row`` reads them: ``grading.worst_grade`` in SQL."""
Maxima = Row[tuple[object, ...]]


def cohort(connection: Connection, study: Study, scope: Scope) -> Iterator[CohortPatient]:
    """Yield every patient of a study who had the course, by name.

    The baseline of a later course may be a result of the course before, which has another phase
    there; so it is taken from the grades that were compared with it.

    Raises:
        Conflict: the study holds grades of another edition than its rules name.
    """
    events = events_by_patient(connection, study)
    courses = courses_by_patient(connection, study)
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
        of_maxima = ((row.name, row.patient_id, row) for row in rows)
        merged = merge(
            ((row.name, row.id, None) for row in everybody), of_maxima, key=itemgetter(0)
        )
        for (name, patient_id), found in groupby(merged, itemgetter(0, 1)):
            yield patient_id, name, [row for *_, row in found if row is not None]


def _bounds(maxima: Iterable[Maxima], study: Study, scope: Scope) -> tuple[TermBounds, TermBounds]:
    """Return a patient's baselines and worst grades by term."""
    baseline: TermBounds = {}
    worst: TermBounds = {}
    for row in maxima:
        if row.other_edition:
            raise Conflict(
                f"the study holds grades of another edition than {study.rules.edition}: a"
                " report would mix them; regrade it (toxgrade regrade)"
            )
        if row.phase == "baseline":
            baseline[row.term] = _of_row(row)
        elif row.phase in scope.phases:
            add_bounds(worst, row.term, _of_row(row) if row.certain else _of_row(row).possible)
        if scope.course > 1 and row.baseline_grade is not None:
            compared = Bounds(row.baseline_grade, row.baseline_grade, decided=True)
            baseline.setdefault(row.term, compared)
    return baseline, worst


def _of_row(row: Maxima) -> Bounds:
    worse = (False, None, True)[row.worse]
    return Bounds(row.at_least, row.at_most, bool(row.decided), worse, bool(row.relative))


def _highest_grades(study: Study, scope: Scope) -> Select[tuple[object, ...]]:
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
