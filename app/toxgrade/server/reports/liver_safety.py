"""The liver safety document of a patient, and the definitions of its figures with sources."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.liver import Jaundice, LiverSafety, Rild, liver_safety
from toxgrade.cohort.liver_day import ChildPugh, Day, Recorded, albi_grade, liver_days
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import read_collected
from toxgrade.server.records.current_state import (
    current_courses,
    current_follow_up,
    results_until_death,
)
from toxgrade.server.records.patient_record import current_events
from toxgrade.server.records.patients import find_patient
from toxgrade.server.records.studies import Study
from toxgrade.server.records.study_ranges import with_study_ranges

DEFINITIONS = {
    "use": "candidates and flags for review, never diagnoses",
    "albi": "0.66 x log10(bilirubin umol/L) - 0.085 x albumin g/L of one day (1 mg/dL as 17.1"
    " umol/L); grade 1 <= -2.60, 2 <= -1.39, else 3 (Johnson, J Clin Oncol 2015;33:550);"
    " change: worst acute - baseline, grade 1 > 0.25, grade 2 > 0.5",
    "hys_law": "ALT or AST >= 3 x ULN and bilirubin >= 2 x ULN on one day (or within within_days of"
    " it) after the start, ALP < 2 x ULN (FDA guidance, July 2009); other causes are to be"
    " excluded",
    "cholestatic": "the same with ALP >= 2 x ULN",
    "without_alp": "the same where ALP has no usable value or ULN: incomplete",
    "r_ratio": "ALT x ULN / ALP x ULN (Benichou, J Hepatol 1990;11:272)",
    "non_classic_rild": "ALT or AST > 5 x ULN in the acute window, > 20 x ULN where the baseline"
    " was above 5 x ULN, or Child-Pugh 2 above the baseline's (Pan, IJROBP 2010;76:S94)",
    "classic_rild": "ALP >= 2 x ULN with bilirubin < 2 x ULN in the acute window; ascites is the"
    " CTCAE grade recorded by that day, null: not recorded; that it is not malignant is to be"
    " judged",
    "child_pugh": "bilirubin < 2, to 3, > 3 mg/dL (34, 51 umol/L); albumin > 35, to 28, < 28 g/L;"
    " INR < 1.7, to 2.3, > 2.3; ascites CTCAE grade 0, 1, from 2; encephalopathy 0, 1 to 2, from 3;"
    " 1 to 3 points each, A to 6, B to 9, C from 10 (Pugh, Br J Surg 1973;60:646). Ascites and"
    " Encephalopathy are recorded as events, grade 0 for none",
    "peak_x_uln": "the highest multiple of ULN after the start (eDISH); >1000 counts as 1000",
}


def liver_document(
    connection: Connection, study: Study, patient: str, grader: TermGrader, within_days: int = 0
) -> dict[str, Any]:
    """Return one patient's liver safety as a document; None where a figure cannot be computed.

    Raises:
        NotFound: no such patient.
    """
    patient_id = find_patient(connection, study, patient)
    labs = results_until_death(connection, patient_id)
    days = liver_days(
        with_study_ranges(connection, study, patient_id, labs, grader.names),
        current_courses(connection, patient_id),
        grader,
        study.rules.window,
    )
    died = current_follow_up(connection, patient_id).died
    recorded = [
        Recorded(row.term, row.grade, read_collected(row.onset), row.resolved)
        for row in connection.execute(current_events(study.id, patient_id))
        if not (died and read_collected(row.onset).first > died)
    ]
    return _document(liver_safety(days, recorded, within_days))


def _document(safety: LiverSafety) -> dict[str, Any]:
    before, worst = safety.albi_baseline, safety.albi_worst_acute
    change = None
    if before and worst and before.albi is not None and worst.albi is not None:
        change = worst.albi - before.albi
    return {
        "albi": [_albi(day) for day in safety.days if day.albi is not None],
        "albi_baseline": _albi(before),
        "albi_worst_acute": _albi(worst),
        "albi_change": None if change is None else round(change, 4),
        "albi_change_grade": None if change is None else (change > 0.25) + (change > 0.5),
        "peak_x_uln": {n: _rounded(safety.peak(n)) for n in ("ALT", "AST", "ALP", "bilirubin")},
        "hys_law": [_jaundice(one) for one in safety.hys_law],
        "cholestatic": [_jaundice(one) for one in safety.cholestatic],
        "without_alp": [_jaundice(one) for one in safety.without_alp],
        "non_classic_rild": [_day(day) for day in safety.non_classic_rild],
        "classic_rild": [_rild(one) for one in safety.classic_rild],
        "child_pugh": _child_pugh(safety.child_pugh),
    }


def _albi(day: Day | None) -> dict[str, Any] | None:
    if day is None or day.albi is None:
        return None
    score = round(day.albi, 4)
    date = day.day.isoformat()
    return {"date": date, "phase": day.phase, "score": score, "grade": albi_grade(day.albi)}


def _jaundice(one: Jaundice) -> dict[str, Any]:
    return {**_day(one.day), "bilirubin_date": one.bilirubin_day.day.isoformat()}


def _rild(one: Rild) -> dict[str, Any]:
    return {**_day(one.day), "ascites": one.ascites}


def _day(day: Day) -> dict[str, Any]:
    return {
        "date": day.day.isoformat(),
        "phase": day.phase,
        "x_uln": {name: _rounded(multiple) for name, multiple in sorted(day.x_uln.items())},
        "r_ratio": None if day.r_ratio is None else round(day.r_ratio, 2),
    }


def _child_pugh(scores: Sequence[tuple[Day, ChildPugh]]) -> dict[str, Any]:
    """Return every day with a score, or if there is none what the most complete day lacks."""
    complete = [(day, points) for day, points in scores if points.score is not None]
    missing = min((points.needs for _, points in scores), key=len, default=ChildPugh({}).needs)
    return {
        "scores": [
            {
                "date": day.day.isoformat(),
                "phase": day.phase,
                "score": points.score,
                "class": points.group,
                "points": dict(points.points),
            }
            for day, points in complete
        ],
        "incomplete": None if complete else f"incomplete, needs {', '.join(missing)}",
    }


def _rounded(multiple: Fraction | None) -> float | None:
    return None if multiple is None else round(float(multiple), 3)
