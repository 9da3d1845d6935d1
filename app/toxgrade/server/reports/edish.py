"""The highest multiple of ULN of each patient after the start of radiotherapy: the eDISH plot.

The same numbers as ``liver.LiverSafety.peak``, for a whole study: equal results are read once.
"""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, func, select

from toxgrade.cohort.definition import Scope
from toxgrade.cohort.liver_day import x_uln
from toxgrade.grading.grader import Grader
from toxgrade.grading.result import LabResult
from toxgrade.grading.values import read_value
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import read_range
from toxgrade.server.reports.cohort_queries import counted

Peaks = dict[str, dict[str, Fraction]]
"""By patient, then by analyte; without those of which no multiple is known."""

_AS_REPORTED = ("value", "unit", "lln", "uln", "limit_unit", "status")
_FULL_DATE = len("2011-04-23")


def peaks(connection: Connection, study: Study, grader: Grader, analytes: tuple[str, ...]) -> Peaks:
    """Of results dated to the day, acute or late, first course."""
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
    read: dict[tuple[Any, ...], Fraction | None] = {}
    found: Peaks = {}
    for name, *reported in rows:
        key = tuple(reported)
        if key not in read:
            read[key] = _x_uln(*key, grader=grader)
        multiple, analyte = read[key], reported[0]
        if multiple is not None:
            mine = found.setdefault(name, {})
            mine[analyte] = max(mine.get(analyte, multiple), multiple)
    return found


def _x_uln(
    analyte: str,
    value: str | None,
    unit: str | None,
    lln: str | None,
    uln: str | None,
    limit_unit: str | None,
    status: str,
    study_range: str | None,
    *,
    grader: Grader,
) -> Fraction | None:
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
