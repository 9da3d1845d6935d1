"""The data of a swimmer plot: the lanes of a study's patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from toxgrade.cohort.definition import TableRow
from toxgrade.criteria.model import Edition
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import courses_by_patient
from toxgrade.server.reports.findings import Endpoint
from toxgrade.server.reports.time_to_event import overall_survival, times_to_grades


@dataclass(frozen=True, slots=True)
class Lane:
    """One patient of a swimmer plot, in days from the start of the first course.

    ``treated``: first and last day of each course. ``reached``: the days, in order, on which a
    grade worse than the patient's own baseline was higher than any before, with that grade.
    ``end``: the last contact or result, or death where ``died``.
    """

    patient: str
    end: int
    died: bool
    treated: tuple[tuple[int, int], ...]
    reached: tuple[tuple[int, int], ...]

    @property
    def worst(self) -> int:
        return max((grade for _, grade in self.reached), default=0)


@dataclass(frozen=True, slots=True)
class Swimmer:
    """The lanes of a swimmer plot by name, and what they do not show.

    ``undecided``: patients who may have reached a higher grade than drawn. ``inexact``: patients
    with a grade on a day that is not exact, the first possible. ``other_courses``: the number of
    results of later courses, which have no grade in a lane.
    """

    lanes: list[Lane]
    undecided: list[str]
    inexact: list[str]
    other_courses: int


def swimmer_lanes(
    connection: Connection, study: Study, edition: Edition, rows: Sequence[TableRow]
) -> Swimmer:
    """Return the lanes of patients with a start and follow-up, over the rows' terms."""
    terms = tuple({term: None for row in rows for term in (*row.terms, *row.also)})
    endpoint = Endpoint(TableRow("any", terms, clinical=True))
    first: dict[str, dict[int, int]] = {}
    undecided, inexact, other_courses = set[str](), set[str](), dict[str, int]()
    times = times_to_grades(connection, study, edition, endpoint, range(5, 0, -1))
    for grade, found in times.items():
        for name, seen in found.observed.items():
            if seen.outcome == "event":
                first.setdefault(name, {}).setdefault(seen.days, grade)
        undecided.update(found.undecided)
        inexact.update(found.inexact)
        other_courses = found.other_courses
    lanes = _lanes(connection, study, first)
    return Swimmer(lanes, sorted(undecided), sorted(inexact), sum(other_courses.values()))


def _lanes(
    connection: Connection, study: Study, first: Mapping[str, Mapping[int, int]]
) -> list[Lane]:
    treated = _course_spans(connection, study)
    return [
        Lane(
            name,
            seen.days,
            seen.outcome == "event",
            treated.get(name, ()),
            tuple(sorted(first.get(name, {}).items())),
        )
        for name, seen in overall_survival(connection, study).observed.items()
    ]


def _course_spans(connection: Connection, study: Study) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return every patient's courses that have both dates, in days from the first start."""
    courses = courses_by_patient(connection, study)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    spans = {}
    for patient_id, name in connection.execute(named):
        own = courses.get(patient_id, ())
        if own and (origin := own[0].start):
            spans[name] = tuple(
                ((course.start - origin).days, (course.end - origin).days)
                for course in own
                if course.start and course.end
            )
    return spans
