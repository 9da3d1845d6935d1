"""What is read of a study for an eDISH plot: its liver values, each placed once."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, Row, Select, select

from toxgrade.cohort.definition import By, Scope
from toxgrade.cohort.edish import Peaks, PlacedValue, patient_peaks
from toxgrade.cohort.liver_day import Measured, measured
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import Window, belongs, possible_places
from toxgrade.grading.result import AFTER_START, Course, LabResult
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import read_range
from toxgrade.server.reports.cohort_queries import contacts_by_patient, counted, courses_by_patient

_AS_REPORTED = (
    "value", "unit", "lln", "uln", "limit_unit", "status", "specimen", "indicator",
)  # fmt: skip
LiverRow = Row[tuple[object, ...]]
Cache = dict[tuple[object, ...], Measured | None]
"""A liver value by all that it depends on: most are reported more than once."""
_BEFORE = ("baseline", "pre_treatment")


def edish_peaks(
    connection: Connection, study: Study, grader: TermGrader, analytes: tuple[str, ...],
    by: By = "uln",
) -> Peaks:  # fmt: skip
    """Return each patient's peaks after the start of the first course.

    A result that may be after the start, by its date or for want of courses, counts in ``at_most``
    alone; one that is dated after death does not count.
    """
    courses = courses_by_patient(connection, study)
    died = {n: c.died for n, c in contacts_by_patient(connection, study).items() if c.died}
    cache: Cache = {}
    found: Peaks = {}
    query = _query(study, analytes)
    with connection.execution_options(yield_per=2000).execute(query) as rows:
        for (patient_id, name), own in groupby(rows, lambda row: (row.patient_id, row.name)):
            last = died.get(patient_id, date.max)
            alive = (row for row in own if not row.collected_on or row.collected_on <= last)
            placed = _placed(alive, courses.get(patient_id, ()), study.rules.window, grader, cache)
            if peaks := patient_peaks(placed, by):
                found[name] = peaks
    return found


def _query(study: Study, analytes: Sequence[str]) -> Select[tuple[object, ...]]:
    shown = [results.c[name] for name in (*_AS_REPORTED, "collected", "is_baseline")]
    graded = [grades.c[name] for name in ("analyte", "phase", "collected_on", "study_range")]
    return (
        select(grades.c.patient_id, patients.c.name, *graded, *shown)
        .join(patients, grades.c.patient_id == patients.c.id)
        .join(results, grades.c.result_id == results.c.id)
        .where(patients.c.study_id == study.id, counted(Scope("both")))
        .where(grades.c.analyte.in_(analytes), ~grades.c.flags.contains(Flag.AFTER_DEATH.value))
        .order_by(patients.c.name)
    )


def _placed(
    rows: Iterable[LiverRow], courses: Sequence[Course], window: Window, grader: TermGrader,
    cache: Cache,
) -> list[PlacedValue]:  # fmt: skip
    found = []
    for row in rows:
        result = _result(row)
        key = (row.analyte, row.study_range, *(getattr(row, name) for name in _AS_REPORTED))
        if key not in cache:
            cache[key] = measured(result, grader)
        value = cache[key]
        if value is None:
            continue
        after: bool | None = row.phase not in _BEFORE
        if row.phase == "unknown":
            after = belongs(possible_places(result.collected, courses, window), 0, AFTER_START)
        found.append(PlacedValue(result, value, after))
    return found


def _result(row: LiverRow) -> LabResult:
    """Return a stored result with what its multiple of ULN and its date depend on."""
    return LabResult(
        analyte=row.analyte,
        value=read_value(row.value) if row.value is not None else None,
        unit=row.unit,
        lln=Decimal(row.lln) if row.lln is not None else None,
        uln=Decimal(row.uln) if row.uln is not None else None,
        limit_unit=row.limit_unit,
        collected=read_collected(row.collected) if row.collected is not None else None,
        status=row.status,
        is_baseline=row.is_baseline,
        specimen=row.specimen,
        indicator=row.indicator,
        study_range=read_range(json.loads(row.study_range)) if row.study_range else None,
    )
