"""Graded results of a study as they count in one course, also where their phase is unknown."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from toxgrade.cohort.placed_result import PlacedResult
from toxgrade.grading.flags import Flag
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import belongs, possible_places
from toxgrade.grading.result import AFTER_START, PHASES, CertainPhase, Place
from toxgrade.grading.worst_grade import Bounds
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import Courses, current_and_final, may_be_baseline


def placed_results(
    connection: Connection,
    study: Study,
    courses: Courses,
    course: int,
    wanted: ColumnElement[bool],
    keys: Collection[tuple[int, str]] | None = None,
) -> Iterator[PlacedResult]:
    """Yield the graded results that are or may be of a course (its index) and are ``wanted``.

    ``keys``: only those of these patients (row numbers) and terms; None: of all.
    """
    own = or_(grades.c.phase == "unknown", _of_course(course))
    for one in _placed(connection, study, courses, and_(own, wanted), keys):
        if belongs(one.places, course, PHASES) is not False:
            yield one


def _placed(
    connection: Connection,
    study: Study,
    courses: Courses,
    condition: ColumnElement[bool],
    keys: Collection[tuple[int, str]] | None = None,
) -> Iterator[PlacedResult]:
    unlikely = grades.c.flags.contains(Flag.UNLIKELY_DATE.value)
    shown = [grades.c[name] for name in ("patient_id", "result_id", "term", "phase", "course")]
    graded = (grades.c.at_least, grades.c.at_most, grades.c.worse_than_baseline)
    query = (
        select(*shown, *graded, unlikely.label("unlikely"), results.c.collected,
               results.c.value, results.c.unit)
        .join(results, grades.c.result_id == results.c.id)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, _counted(), condition)
    )  # fmt: skip
    places: dict[tuple[int, str | None], tuple[Place, ...]] = {}
    for row in connection.execute(query, execution_options={"yield_per": 2000}):
        if keys is not None and (row.patient_id, row.term) not in keys:
            continue
        day = read_collected(row.collected) if row.collected is not None else None
        if row.phase == "unknown":
            key = (row.patient_id, row.collected)
            if key not in places:
                own = courses.get(row.patient_id, ())
                places[key] = possible_places(day, own, study.rules.window)
            found = places[key]
        else:
            phase: CertainPhase = "pre_treatment" if row.phase == "baseline" else row.phase
            found = (Place(row.course or 0, phase),)
        yield PlacedResult(
            patient_id=row.patient_id,
            result_id=row.result_id,
            term=row.term,
            phase=row.phase,
            places=found,
            first=day.first if day else None,
            last=day.last if day else None,
            at_least=row.at_least,
            at_most=row.at_most,
            worse=row.worse_than_baseline,
            is_likely=not row.unlikely,
            value=f"{row.value} {row.unit}",
        )


def last_results(
    connection: Connection, study: Study, course: int, terms: Sequence[str]
) -> dict[int, date | None]:
    """Return each patient's last day with a result of the terms after the start of a course.

    By the patient's row number; None: only on unlikely days. Results of unknown phase are left out.
    """
    likely = ~grades.c.flags.contains(Flag.UNLIKELY_DATE.value)
    query = (
        select(grades.c.patient_id, func.max(case((likely, grades.c.collected_on))).label("last"))
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, _counted(), _of_course(course))
        .where(grades.c.phase.in_(AFTER_START), grades.c.term.in_(terms))
        .group_by(grades.c.patient_id)
    )
    return {row.patient_id: row.last for row in connection.execute(query)}


def laboratory_baselines(
    connection: Connection, study: Study, course: int, terms: Sequence[str]
) -> dict[int, dict[str, Bounds]]:
    """Return the baseline of laboratory terms at the start of a course, by patient, then by term.

    That of a later course may be a result of the course before, which has another phase there; so
    it is taken from the grades that were compared with it.
    """
    ambiguous = may_be_baseline()
    is_baseline = or_(grades.c.phase == "baseline", ambiguous)
    certain = case((ambiguous, 0), else_=grades.c.at_least)
    query = (
        select(
            grades.c.patient_id,
            grades.c.term,
            func.max(case((is_baseline, certain))).label("at_least"),
            func.max(case((is_baseline, grades.c.at_most))).label("at_most"),
            func.max(grades.c.baseline_grade).label("compared"),
        )
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, _counted(), _of_course(course))
        .where(grades.c.term.in_(terms))
        .group_by(grades.c.patient_id, grades.c.term)
    )
    found: dict[int, dict[str, Bounds]] = {}
    for row in connection.execute(query):
        least, most = row.at_least, row.at_most
        if least is None:
            least = most = row.compared
        if least is not None:
            bounds = Bounds(least, most, decided=least == most)
            found.setdefault(row.patient_id, {})[row.term] = bounds
    return found


def other_courses(
    connection: Connection,
    study: Study,
    courses: Courses,
    course: int,
    terms: Sequence[str] | None = None,
) -> Counter[int]:
    """Count graded results after the start of another course, by patient; None: of all terms."""
    found = Counter[int]()
    if all(len(own) < 2 for own in courses.values()):
        return found
    of_terms = grades.c.term.is_not(None) if terms is None else grades.c.term.in_(terms)
    elsewhere = and_(grades.c.phase.in_(AFTER_START), ~_of_course(course), of_terms)
    number = func.count(grades.c.result_id.distinct()).label("results")
    for row in connection.execute(
        select(grades.c.patient_id, number)
        .join(patients, grades.c.patient_id == patients.c.id)
        .where(patients.c.study_id == study.id, _counted(), elsewhere)
        .group_by(grades.c.patient_id)
    ):
        found[row.patient_id] = row.results
    unplaced = and_(grades.c.phase == "unknown", grades.c.course.is_not(None), of_terms)
    elsewhere_too = {
        (one.patient_id, one.result_id)
        for one in _placed(connection, study, courses, unplaced)
        if belongs(one.places, course, PHASES) is False
    }
    found.update(patient_id for patient_id, _ in elsewhere_too)
    return found


def _of_course(course: int) -> ColumnElement[bool]:
    """Return the condition of grades of known phase of a course; without courses: of the first."""
    return func.coalesce(grades.c.course, 0) == course


def _counted() -> ColumnElement[bool]:
    """Return the condition of current grades of final results that could be graded."""
    return and_(current_and_final(), grades.c.at_least.is_not(None))
