"""Patients for tests of liver safety, written as a clinician would: ``ALT 3 2020-03-02``."""

from collections.abc import Sequence
from decimal import Decimal

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.liver import LiverSafety, liver_safety
from toxgrade.cohort.liver_course import liver_course
from toxgrade.criteria.reader import load
from toxgrade.grading.parse import read_collected, read_value
from toxgrade.grading.phase import PRESETS
from toxgrade.grading.result import Course, LabResult
from toxgrade.grading.rules import Graders, Rules

GRADER = Graders(load()).for_rules(Rules())

_ULN = {"ALT": 100, "AST": 100, "ALP": 100, "bilirubin": 1, "INR": 1}
_UNIT = {"bilirubin": "mg/dL", "albumin": "g/L", "INR": "{INR}"}


def lab(text: str) -> LabResult:
    """Return a result written as analyte, multiple of ULN (albumin: g/L) and date (``-``: none).

    ``ALT ?300 …`` is 300 U/L without a ULN; ``bilirubin <2 …`` is below 2 x ULN.
    """
    analyte, multiple, day = text.split()
    sign = multiple.rstrip("0123456789.")
    number = Decimal(multiple.lstrip("<>=?"))
    uln = None if sign == "?" else _ULN.get(analyte)
    value = number if sign == "?" or uln is None else number * uln
    return LabResult(
        analyte, read_value(f"{sign.strip('?')}{value}"), _UNIT.get(analyte, "U/L"),
        uln=Decimal(uln) if uln else None,
        collected=None if day == "-" else read_collected(day),
    )  # fmt: skip


def event(text: str) -> ClinicalEvent:
    """Return a clinician's grade written as ``Ascites 2 2020-03-02``, with the last day at will."""
    term, grade, onset, *resolved = text.split()
    ended = read_collected(resolved[0]).first if resolved else None
    return ClinicalEvent(term, int(grade), read_collected(onset), ended)


def course(text: str) -> Course:
    """Return a course written as ``2020-01-06 2020-02-14``; ``?`` is not known."""
    start, end = (None if day == "?" else read_collected(day).first for day in text.split())
    return Course(start, end)


def safety(
    labs: Sequence[str], events: Sequence[str] = (), courses: str = "2020-01-06 2020-02-14",
    window: str = "paper", within_days: int = 30, index: int = 0,
) -> LiverSafety:  # fmt: skip
    """Return the findings of a patient; several courses are separated by a comma."""
    treated = [course(each) for each in courses.split(",")] if courses else []
    series = liver_course(
        [lab(each) for each in labs], treated, index, GRADER, PRESETS[window],
        [event(each) for each in events],
    )  # fmt: skip
    return liver_safety(series, within_days)
