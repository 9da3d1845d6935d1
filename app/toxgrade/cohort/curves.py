"""The curves of a study: cumulative incidence of a grade, overall survival."""

from collections.abc import Sequence
from dataclasses import replace

from toxgrade.cohort.described import StudyReport, answer, described
from toxgrade.cohort.left_out import Results, results_of
from toxgrade.cohort.survival import (
    Step,
    at,
    at_risk,
    cumulative_incidence,
    is_settled,
    kaplan_meier,
    median,
)
from toxgrade.cohort.time_to_event import Censor, Endpoint, NotEvaluable, TimesToEvent
from toxgrade.grading.event import ATTRIBUTIONS, Attribution

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


@answer
class AtMonth:
    """The curve at a number of months after the start of radiotherapy."""

    months: int = described("Months of 365.25 / 12 days.", 12)
    days: int = described("The same in whole days.", 365)
    at_risk: int = described("Patients followed up to that day without an earlier event.", 3)
    estimate: float | None = described("A share from 0 to 1; null: nothing is known of it.", 0.25)
    low: float | None = described("Lower 95 % limit; null: no estimate, or it is 0 or 1.", 0.01)
    high: float | None = described("Upper 95 % limit; null: no estimate, or it is 0 or 1.", 0.66)


@answer
class Curve:
    """A curve by day, and what it rests on."""

    n: int = described("Patients observed.", 4)
    events: int = described("Patients with the event.", 1)
    competing: int = described("Patients with the competing event, death.", 0)
    censored: int = described("Patients without an event by the end of their follow-up.", 3)
    steps: list[Step] = described("The curve, one step for each day of any outcome.")
    at_months: list[AtMonth] = described("The curve at 3, 6, 12, 24, 36 and 60 months.")
    undecided: list[str] = described("Patients counted as without, who may have had it.", [])
    after_death: Results = described("Results and events dated after death: not counted.")
    not_evaluable: dict[NotEvaluable, list[str]] = described(
        "Patients who cannot be observed, by reason.", {"no-radiotherapy-start": ["SYN-009"]}
    )


@answer
class IncidenceOf(StudyReport):
    """What the cumulative incidence is of."""

    row: str = described("The row's label, or the term.", "Bilirubin")
    terms: list[str] = described("The CTCAE terms.", ["Blood bilirubin increased"])
    grade: int = described("The grade waited for, or a higher one, 1 to 5.", 2)
    course: int = described("The course of radiotherapy, 1 is the first.", 1)
    attribution: list[Attribution] = described("Those that count.", [*ATTRIBUTIONS])
    censor: Censor = described("Where patients alive without the grade end.", "contact")
    definition: str = described("What is counted, in words.", "Time from radiotherapy start …")


@answer
class IncidenceReport(Curve, IncidenceOf):
    """The cumulative incidence of a grade, worse than the own baseline; death competes."""

    inexact: list[str] = described("Patients with the event on a day not exactly known.", [])
    other_courses: Results = described("Results after the start of another course: not counted.")


@answer
class SurvivalOf(StudyReport):
    """What overall survival is counted from, and its median."""

    definition: str = described("What is counted, in words.", "Time from the first course's …")
    median_days: int | None = described("Days from the start; null: not reached.", 642)


@answer
class SurvivalReport(Curve, SurvivalOf):
    """Overall survival from the start of the first course of radiotherapy (Kaplan-Meier)."""


def incidence_report(
    study: StudyReport, times: TimesToEvent, endpoint: Endpoint, grade: int
) -> IncidenceReport:
    """Return the cumulative incidence of a grade or higher."""
    steps = cumulative_incidence(times.observed.values())
    return IncidenceReport(
        **vars(study),
        row=endpoint.row.label,
        terms=list(endpoint.row.terms),
        grade=grade,
        course=endpoint.course,
        attribution=list(endpoint.attributions),
        censor=endpoint.censor,
        definition=_definition(endpoint, grade),
        **vars(_curve(times, steps, 0.0)),
        inexact=times.inexact,
        other_courses=results_of(times.other_courses),
    )


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


def survival_report(study: StudyReport, times: TimesToEvent) -> SurvivalReport:
    """Return overall survival from the start of radiotherapy."""
    steps = kaplan_meier(times.observed.values())
    return SurvivalReport(
        **vars(study),
        definition=(
            "Time from the first course's radiotherapy start to death of any cause, through later"
            " courses; alive: censored at the last contact (none recorded: the last result)."
            " Kaplan-Meier estimate"
            f" (J Am Stat Assoc 1958;53:457), {_METHOD}. Median: the first day on which at most"
            " half are alive, also where the curve is exactly one half for a time."
        ),
        median_days=median(steps),
        **vars(_curve(times, steps, 1.0)),
    )


def _curve(times: TimesToEvent, steps: Sequence[Step], at_start: float) -> Curve:
    """Return a curve of these steps, whose value before the first of them is ``at_start``."""
    outcomes = [one.outcome for one in times.observed.values()]
    return Curve(
        n=len(outcomes),
        events=outcomes.count("event"),
        competing=outcomes.count("competing"),
        censored=outcomes.count("censored"),
        steps=[_rounded(step) for step in steps],
        at_months=[_at_month(times, steps, at_start, month) for month in _MONTHS],
        undecided=times.undecided,
        after_death=results_of(times.after_death),
        not_evaluable=times.not_evaluable,
    )


def _rounded(step: Step) -> Step:
    estimate, low, high = _limits(step)
    return replace(step, estimate=estimate, low=low, high=high)


def _limits(step: Step) -> tuple[float, float | None, float | None]:
    """Return the estimate and its limits to 6 decimals."""
    low, high = (None if side is None else round(side, 6) for side in (step.low, step.high))
    return round(step.estimate, 6), low, high


def _at_month(times: TimesToEvent, steps: Sequence[Step], at_start: float, month: int) -> AtMonth:
    """Return the curve at a number of months; without an estimate where nothing is known of it."""
    days = round(month * _DAYS_PER_MONTH)
    followed = at_risk(times.observed.values(), days)
    step = at(steps, days) if followed or is_settled(steps) else None
    if step:
        return AtMonth(month, days, followed, *_limits(step))
    # Nobody's follow-up has ended yet: all are as they were at the start.
    return AtMonth(month, days, followed, at_start if followed else None, None, None)
