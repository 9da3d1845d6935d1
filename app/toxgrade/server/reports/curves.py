"""Documents of the curves of a study: cumulative incidence of a grade, overall survival."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from toxgrade.cohort.survival import (
    Step,
    at,
    at_risk,
    cumulative_incidence,
    is_settled,
    kaplan_meier,
    median,
)
from toxgrade.cohort.table_document import results_of
from toxgrade.criteria.model import Edition
from toxgrade.grading.event import ATTRIBUTIONS
from toxgrade.server.records.studies import Study
from toxgrade.server.reports.findings import Censor, Endpoint
from toxgrade.server.reports.time_to_event import TimesToEvent, overall_survival, times_to_grades

_MONTHS = (3, 6, 12, 24, 36, 60)
_DAYS_PER_MONTH = 365.25 / 12

_METHOD = (
    "95 % limits on the log(-log) scale. After the last follow-up there is no estimate, unless"
    " nobody was left in whom it could still change"
)
_CENSORED: dict[Censor, str] = {
    "contact": "at the last contact (none recorded: the last result), or at the next course",
    "last-result": "at the last result or event of these terms in the course",
}


def incidence_document(
    connection: Connection, study: Study, edition: Edition, endpoint: Endpoint, grade: int
) -> dict[str, Any]:
    """Return the cumulative incidence of a grade or higher as a document."""
    times = times_to_grades(connection, study, edition, endpoint, (grade,))[grade]
    steps = cumulative_incidence(times.observed.values())
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "row": endpoint.row.label,
        "terms": list(endpoint.row.terms),
        "grade": grade,
        "course": endpoint.course,
        "attribution": list(endpoint.attributions),
        "censor": endpoint.censor,
        "definition": _definition(endpoint, grade),
        **_curve(times, steps),
        "inexact": times.inexact,
        "other_courses": results_of(times.other_courses),
    }


def _definition(endpoint: Endpoint, grade: int) -> str:
    return (
        f"Time from radiotherapy start to the first grade {grade} or higher worse than the"
        f" patient's own baseline{_attributed(endpoint)}; death without it competes; alive:"
        f" censored {_CENSORED[endpoint.censor]}. Aalen-Johansen estimate (Scand J Stat"
        f" 1978;5:141), {_METHOD}. The grade was reached on that day or since the visit before. It"
        " counts if it is certain, and certainly after the start, be it acute or late. Inexact: its"
        " day is not known exactly; the first possible one counts. Undecided: may have reached the"
        " grade, but not certainly; counted as without."
    )


def _attributed(endpoint: Endpoint) -> str:
    if set(endpoint.attributions) == set(ATTRIBUTIONS):
        return ""
    asked = " or ".join(endpoint.attributions)
    return f", of attribution {asked} (a laboratory grade has none of its own: unknown)"


def survival_document(connection: Connection, study: Study) -> dict[str, Any]:
    """Return overall survival from the start of radiotherapy as a document."""
    times = overall_survival(connection, study)
    steps = kaplan_meier(times.observed.values())
    return {
        "study": study.name,
        "synthetic": study.synthetic,
        "definition": (
            "Time from the first course's radiotherapy start to death of any cause, through later"
            " courses; alive: censored at the last contact (none recorded: the last result)."
            " Kaplan-Meier estimate"
            f" (J Am Stat Assoc 1958;53:457), {_METHOD}. Median: the first day on which at most"
            " half are alive, also where the curve is exactly one half for a time."
        ),
        "median_days": median(steps),
        **_curve(times, steps),
    }


def _curve(times: TimesToEvent, steps: Sequence[Step]) -> dict[str, Any]:
    outcomes = [one.outcome for one in times.observed.values()]
    return {
        "n": len(outcomes),
        "events": outcomes.count("event"),
        "competing": outcomes.count("competing"),
        "censored": outcomes.count("censored"),
        "steps": [_step(step) for step in steps],
        "at_months": [_at_month(times, steps, month) for month in _MONTHS],
        "undecided": times.undecided,
        "after_death": results_of(times.after_death),
        "not_evaluable": times.not_evaluable,
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


def _at_month(times: TimesToEvent, steps: Sequence[Step], month: int) -> dict[str, Any]:
    """Return the curve at a number of months; without an estimate where nothing is known of it."""
    days = round(month * _DAYS_PER_MONTH)
    followed = at_risk(times.observed.values(), days)
    return {
        "months": month,
        "days": days,
        "at_risk": followed,
        **_estimate(at(steps, days) if followed or is_settled(steps) else None),
    }
