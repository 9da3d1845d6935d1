"""Each patient of a study as a lane from radiotherapy to the last contact: a swimmer plot."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from toxgrade.cohort.definition import TableRow
from toxgrade.server.records.db.tables import patients
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.cohort_queries import courses_by_patient
from toxgrade.server.reports.time_to_event import overall_survival, times_to_grades


@dataclass(frozen=True, slots=True)
class Lane:
    """One patient, in days from the start of the first course.

    ``treated`` are the spans of its courses. ``reached`` are the first days on which a grade worse
    than the patient's own baseline was higher than any before, by day. ``end`` is the last contact
    or result, of death where ``died``.
    """

    patient: str
    end: int
    died: bool
    treated: tuple[tuple[int, int], ...]
    reached: tuple[tuple[int, int], ...]

    @property
    def worst(self) -> int:
        return max((grade for _, grade in self.reached), default=0)


def lanes(connection: Connection, study: Study, rows: Sequence[TableRow]) -> list[Lane]:
    """The patients with a start and a later contact, over the terms of these rows; by name."""
    terms = tuple({term: None for row in rows for term in (*row.terms, *row.also)})
    every = TableRow("any", terms, clinical=True)
    first: dict[str, dict[int, int]] = {}
    for grade, found in times_to_grades(connection, study, every, range(5, 0, -1), 1).items():
        for name, seen in found.observed.items():
            if seen.outcome == "event":
                first.setdefault(name, {}).setdefault(seen.days, grade)
    treated = _treated(connection, study)
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


def _treated(connection: Connection, study: Study) -> dict[str, tuple[tuple[int, int], ...]]:
    """The spans of every patient's courses that have both dates, in days from the first start."""
    courses = courses_by_patient(connection, study)
    named = select(patients.c.id, patients.c.name).where(patients.c.study_id == study.id)
    spans = {}
    for patient_id, name in connection.execute(named):
        mine = courses.get(patient_id, ())
        if mine and (origin := mine[0].start):
            spans[name] = tuple(
                ((course.start - origin).days, (course.end - origin).days)
                for course in mine
                if course.start and course.end
            )
    return spans
