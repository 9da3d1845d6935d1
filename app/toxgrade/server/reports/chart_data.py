"""The data of two charts of a study: the lanes of a swimmer plot, the peaks of an eDISH plot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, func, select

from toxgrade.cohort.definition import Scope, TableRow
from toxgrade.cohort.liver_day import x_uln
from toxgrade.criteria.model import Edition
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_value
from toxgrade.grading.result import LabResult
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import read_range
from toxgrade.server.reports.cohort_queries import counted, courses_by_patient
from toxgrade.server.reports.findings import Endpoint
from toxgrade.server.reports.time_to_event import overall_survival, times_to_grades

Peaks = dict[str, dict[str, Fraction]]
"""Multiples of ULN by patient, then by analyte; without analytes that have no known multiple."""

_AS_REPORTED = ("value", "unit", "lln", "uln", "limit_unit", "status")
_FULL_DATE = len("2011-04-23")


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


def edish_peaks(
    connection: Connection, study: Study, grader: TermGrader, analytes: tuple[str, ...]
) -> Peaks:
    """Return each patient's peaks after the start of the first course, of fully dated results."""
    shown = [results.c[name] for name in _AS_REPORTED]
    rows = connection.execute(
        select(patients.c.name, grades.c.analyte, *shown, grades.c.study_range)
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(patients.c.study_id == study.id, counted(Scope("both")))
        .where(grades.c.analyte.in_(analytes), grades.c.phase.in_(("acute", "late")))
        .where(func.length(results.c.collected) >= _FULL_DATE)
        .distinct()
    )
    cache: dict[tuple[Any, ...], Fraction | None] = {}
    peaks: Peaks = {}
    for name, *reported in rows:
        key = tuple(reported)
        if key not in cache:
            cache[key] = _x_uln(*key, grader=grader)
        multiple, analyte = cache[key], reported[0]
        if multiple is not None:
            own = peaks.setdefault(name, {})
            own[analyte] = max(own.get(analyte, multiple), multiple)
    return peaks


def _x_uln(
    analyte: str, value: str | None, unit: str | None, lln: str | None, uln: str | None,
    limit_unit: str | None, status: str, study_range: str | None, *, grader: TermGrader,
) -> Fraction | None:  # fmt: skip
    """Return a stored result as a multiple of its ULN; None where that is unknown."""
    result = LabResult(
        analyte=analyte,
        value=read_value(value) if value is not None else None,
        unit=unit,
        lln=Decimal(lln) if lln is not None else None,
        uln=Decimal(uln) if uln is not None else None,
        limit_unit=limit_unit,
        status=status,
        study_range=read_range(json.loads(study_range)) if study_range else None,
    )
    return x_uln(result, grader)
