"""What is read of a patient for the timeline: results with their grades, events, courses."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import localcontext

from sqlalchemy import Connection, Row, select

from toxgrade.cohort.timeline import Event, Panel, TimelineResult, panels
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.limits import EXACT
from toxgrade.grading.normalize import NormalizedResult, normalize
from toxgrade.grading.parse import read_collected
from toxgrade.grading.result import Course
from toxgrade.server.records.current_state import (
    FollowUp,
    current_courses,
    current_follow_up,
    current_results,
)
from toxgrade.server.records.db.tables import grades, results
from toxgrade.server.records.patient_record import list_events
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.stored_results import VERSION_COLUMNS, read_version
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges


@dataclass(frozen=True, slots=True)
class Timeline:
    """All data of one patient's picture; the panels are in the order of the analytes file."""

    courses: tuple[Course, ...]
    follow_up: FollowUp
    panels: tuple[Panel, ...]
    events: tuple[Event, ...]


def timeline(
    connection: Connection, study: Study, patient: str, grader: TermGrader, order: Iterable[str]
) -> Timeline:
    """Return a patient's timeline, corrected and withdrawn results included.

    ``order``: the names of the analytes in the order of their panels.

    Raises:
        NotFound: no such patient.
    """
    patient_id = find_patient(connection, study, patient)
    versions = {row.identity: row for row in list_events(connection, patient_id)}
    events = [row for row in versions.values() if row.status == "final" and row.grade]
    return Timeline(
        current_courses(connection, patient_id),
        current_follow_up(connection, patient_id),
        panels(_results(connection, study, patient_id, grader), grader, order),
        tuple(Event(read_collected(e.onset).first, e.term, e.grade) for e in events),
    )


def _results(
    connection: Connection, study: Study, patient_id: int, grader: TermGrader
) -> Iterable[TimelineResult]:
    """Yield every version of every result that can be normalized and has a grade."""
    newest = {version.id for version in current_results(connection, patient_id)}
    graded: dict[int, dict[str | None, Row[tuple[object, ...]]]] = {}
    for grade in connection.execute(
        select(grades).where(grades.c.patient_id == patient_id).order_by(grades.c.id)
    ):
        graded.setdefault(grade.result_id, {})[grade.term] = grade
    query = select(*VERSION_COLUMNS).where(results.c.patient_id == patient_id)
    rows = connection.execute(query.order_by(results.c.id)).all()
    labs = [read_version(row).result for row in rows]
    labs = with_study_ranges(connection, study, patient_id, labs, grader.names)
    for row, lab in zip(rows, labs, strict=True):
        with localcontext(EXACT):
            measured = normalize(lab, grader.names, "flag")
        found = list(graded.get(row.id, {}).values())
        if isinstance(measured, NormalizedResult) and found:
            yield TimelineResult(
                measured,
                found[0].collected_on,
                f"{row.value} {row.unit}",
                max((g.at_least for g in found if g.at_least is not None), default=None),
                max((g.at_most for g in found if g.at_most is not None), default=None),
                found[0].phase,
                row.id in newest and found[0].reason != "not-final",
            )
