"""Time to a grade and overall survival as callers get them, each with its definition."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.definition import TableRow
from toxgrade.cohort.survival import Step, at, at_risk, cumulative_incidence, kaplan_meier, median
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.time_to_event import TimeTo, overall_survival, time_to_grade

_MONTHS = (3, 6, 12, 24, 36, 60)
_DAYS_PER_MONTH = 365.25 / 12

_METHOD = "95 % limits on the log(-log) scale"


def incidence_document(
    connection: Connection, study: Study, row: TableRow, grade: int, course: int
) -> dict[str, Any]:
    """Cumulative incidence of a grade or higher, with everyone it is computed from."""
    found = time_to_grade(connection, study, row, grade, course)
    steps = cumulative_incidence(found.observed.values())
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "row": row.label,
        "terms": list(row.terms),
        "grade": grade,
        "course": course,
        "definition": (
            f"Time from radiotherapy start to the first grade {grade} or higher worse than the"
            " patient's own baseline; death without it competes; alive: censored at the last"
            " contact or result, or at the next course. Aalen-Johansen estimate"
            f" (Scand J Stat 1978;5:141), {_METHOD}. The grade was reached on that day or since the"
            " visit before."
        ),
        **_curve(found, steps),
    }


def survival_document(connection: Connection, study: Study) -> dict[str, Any]:
    """Overall survival from the start of radiotherapy."""
    found = overall_survival(connection, study)
    steps = kaplan_meier(found.observed.values())
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "definition": (
            "Time from the first course's radiotherapy start to death of any cause; alive: censored"
            " at the last contact or result. Kaplan-Meier estimate"
            f" (J Am Stat Assoc 1958;53:457), {_METHOD}."
        ),
        "median_days": median(steps),
        **_curve(found, steps),
    }


def _curve(found: TimeTo, steps: Sequence[Step]) -> dict[str, Any]:
    outcomes = [one.outcome for one in found.observed.values()]
    return {
        "n": len(outcomes),
        "events": outcomes.count("event"),
        "competing": outcomes.count("competing"),
        "censored": outcomes.count("censored"),
        "steps": [_step(step) for step in steps],
        "at_months": [_at(found, steps, month) for month in _MONTHS],
        "undecided": found.undecided,
        "not_evaluable": found.not_evaluable,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "days": step.days,
        "at_risk": step.at_risk,
        "events": step.events,
        "competing": step.competing,
        "censored": step.censored,
        **_estimate(step),
    }


def _estimate(step: Step | None) -> dict[str, float | None]:
    numbers = (step.estimate, step.low, step.high) if step else (None, None, None)
    rounded = [None if number is None else round(number, 6) for number in numbers]
    return dict(zip(("estimate", "low", "high"), rounded, strict=True))


def _at(found: TimeTo, steps: Sequence[Step], month: int) -> dict[str, Any]:
    """The curve at a number of months; no estimate once nobody is followed any longer."""
    days = round(month * _DAYS_PER_MONTH)
    followed = at_risk(found.observed.values(), days)
    return {
        "months": month,
        "days": days,
        "at_risk": followed,
        **_estimate(at(steps, days) if followed else None),
    }
