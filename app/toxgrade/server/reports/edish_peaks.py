"""The data of an eDISH plot: each patient's peaks as multiples of ULN or of the baseline."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.liver import Peak, peak
from toxgrade.cohort.liver_baseline import baselines
from toxgrade.cohort.liver_course import AFTER_START
from toxgrade.cohort.liver_day import Measured, measured
from toxgrade.grading.flags import Flag
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import Window, belongs, possible_places
from toxgrade.grading.result import Course, LabResult
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import read_range
from toxgrade.server.reports.cohort_queries import contacts_by_patient, counted, courses_by_patient

By = Literal["uln", "baseline"]
Peaks = dict[str, dict[str, Peak]]
"""Peaks by patient, then by analyte, without analytes of which nothing is known after the start."""

_AS_REPORTED = (
    "value", "unit", "lln", "uln", "limit_unit", "status", "specimen", "indicator",
)  # fmt: skip
_BEFORE = ("baseline", "pre_treatment")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A result of a patient, and whether it was taken after the start; None: possibly."""

    result: LabResult
    value: Measured
    after: bool | None


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
    cache: dict[tuple[Any, ...], Measured | None] = {}
    found: Peaks = {}
    query = _query(study, analytes)
    with connection.execution_options(yield_per=2000).execute(query) as rows:
        for (patient_id, name), own in groupby(rows, lambda row: (row.patient_id, row.name)):
            last = died.get(patient_id, date.max)
            alive = (row for row in own if not row.collected_on or row.collected_on <= last)
            placed = _placed(alive, courses.get(patient_id, ()), study.rules.window, grader, cache)
            if peaks := _peaks(placed, by):
                found[name] = peaks
    return found


def _query(study: Study, analytes: Sequence[str]) -> Any:
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
    rows: Iterable[Row[Any]], courses: Sequence[Course], window: Window, grader: TermGrader,
    cache: dict[tuple[Any, ...], Measured | None],
) -> list[_Placed]:  # fmt: skip
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
        found.append(_Placed(result, value, after))
    return found


def _peaks(placed: Sequence[_Placed], by: By) -> dict[str, Peak]:
    """Return a patient's peaks by analyte."""
    before = [
        (one.result, one.value) for one in placed
        if one.after is False and (on := one.result.collected) and on.first == on.last
    ]  # fmt: skip
    bases = baselines(before)
    found = {}
    for name in dict.fromkeys(one.value.analyte for one in placed):
        own = [one for one in placed if one.value.analyte == name and one.after is not False]
        if by == "uln":
            members = [(one.after, one.value.x_uln) for one in own]
        else:
            base = bases.get(name)
            members = [(one.after, one.value.value.over(base.value)) for one in own if base]
        if members:
            found[name] = peak(members)
    return found


def _result(row: Row[Any]) -> LabResult:
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
