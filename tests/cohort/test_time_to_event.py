"""Time to a grade: when it was reached, who is censored, whom death came before, what is open."""

from datetime import date

import pytest

from toxgrade.cohort.clinical_events import ClinicalEvent
from toxgrade.cohort.curves import incidence_report, survival_report
from toxgrade.cohort.definition import TableRow
from toxgrade.cohort.described import StudyReport
from toxgrade.cohort.placed_result import PlacedResult
from toxgrade.cohort.swimmer import swimmer
from toxgrade.cohort.time_to_event import (
    Censor,
    Endpoint,
    Followed,
    Seen,
    TimesToEvent,
    add_events,
    add_results,
    times_to_death,
    times_to_grade,
)
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import PRESETS, place, possible_places
from toxgrade.grading.result import Course
from toxgrade.grading.worst_grade import Bounds, worse

# Day 0 is 2020-01-06; the patient is followed to day 360.
START, FOLLOWED = date(2020, 1, 6), date(2020, 12, 31)
COURSE = Course(START, date(2020, 2, 14))
WINDOW = PRESETS["paper"]
ENZYME = TableRow("ALT", ("ALT increased",))
FATIGUE = TableRow("Fatigue", ("Fatigue",), clinical=True)
STUDY = StudyReport("paper", synthetic=True)


def followed(end: date | None = FOLLOWED, died: date | None = None) -> Followed:
    return Followed(1, "P1", START, end, died, (COURSE,))


def times(
    results: str = "", events: str = "", row: TableRow = ENZYME, censor: Censor = "contact",
    baseline: int = 0, patient: Followed | None = None,
) -> TimesToEvent:  # fmt: skip
    """Times to grade 2 of ``2 on 2020-02-01, 1-3 on 2020-03``, results or events."""
    patient, endpoint = patient or followed(), Endpoint(row, censor=censor)
    seen: dict[int, Seen] = {}
    known = Bounds(baseline, baseline, decided=True)
    placed, recorded = [], []
    for number, part in enumerate(results.split(", ") if results else []):
        grade, _, day = part.split()
        least, most, on = int(grade[0]), int(grade[-1]), read_collected(day)
        placed.append(
            PlacedResult(
                1, number, row.terms[0], place(on, (COURSE,), WINDOW).phase,
                possible_places(on, (COURSE,), WINDOW), on.first, on.last, least, most,
                worse(least, most, known), is_likely=True, value="",
            )
        )  # fmt: skip
    for part in events.split(", ") if events else []:
        grade, _, day = part.split()
        recorded.append(ClinicalEvent(row.terms[0], int(grade), read_collected(day)))
    add_results(seen, placed, {1: patient}, endpoint)
    add_events(seen, patient, recorded, {}, {ENZYME.terms[0]}, WINDOW, endpoint)
    return times_to_grade(2, [patient], seen, endpoint)


def told(found: TimesToEvent) -> str:
    outcome = [f"{one.outcome} on day {one.days}" for one in found.observed.values()]
    notes = ["inexact"] * len(found.inexact) + ["undecided"] * len(found.undecided)
    return ", ".join([*outcome, *found.not_evaluable, *notes])


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ("", "not-measured"),
        ("0 on 2020-03-01", "censored on day 360"),
        ("1 on 2020-02-01, 2 on 2020-03-01, 3 on 2020-04-01", "event on day 55"),
        ("2 on 2020-01-06", "not-measured"),  # the first day is before treatment
        ("2 on 2020-03", "event on day 55, inexact"),  # some day of March: its first counts
        ("2 on 2020-01, 0 on 2020-02-01", "censored on day 360, undecided"),  # before the start?
        ("0-4 on 2020-03-01", "censored on day 360, undecided"),
        ("1-4 on 2020-02-01, 3 on 2020-03-01", "event on day 55, inexact"),  # perhaps earlier
    ],
)
def test_when_a_result_reached_the_grade(results: str, said: str) -> None:
    assert told(times(results)) == said


def test_a_grade_that_the_baseline_had_is_none() -> None:
    assert told(times("2 on 2020-03-01", baseline=2)) == "censored on day 360"


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ("", "censored on day 360"),  # nobody reported fatigue: none
        ("2 on 2020-03-01", "event on day 55"),
        ("2 on 2019-12-01, 2 on 2020-03-01", "censored on day 360"),  # as before treatment
        ("2 on 2019-12-01, 3 on 2020-03-01", "event on day 55"),
    ],
)
def test_when_a_clinician_saw_the_grade(events: str, said: str) -> None:
    assert told(times(events=events, row=FATIGUE)) == said


@pytest.mark.parametrize(
    ("end", "died", "said"),
    [
        (FOLLOWED, None, "censored on day 360"),
        (FOLLOWED, FOLLOWED, "competing on day 360"),
        (None, None, "not-followed"),
        (date(2020, 1, 1), None, "not-followed"),
    ],
)
def test_how_a_patient_without_the_grade_ends(
    end: date | None, died: date | None, said: str
) -> None:
    assert told(times("0 on 2020-03-01", patient=followed(end, died))) == said


def test_a_patient_may_be_seen_to_the_last_result_alone() -> None:
    assert told(times("0 on 2020-03-01", censor="last-result")) == "censored on day 55"


def test_the_answers_tell_the_curve_and_who_is_in_it() -> None:
    found = times("2 on 2020-03-01")
    report = incidence_report(STUDY, found, Endpoint(ENZYME), 2)
    assert (report.study, report.row, report.n, report.events) == ("paper", "ALT", 1, 1)
    assert [(step.days, step.estimate, step.low) for step in report.steps] == [(55, 1.0, None)]
    dead = Followed(1, "P1", START, date(2020, 7, 4), date(2020, 7, 4), (COURSE,))
    alive = Followed(2, "P2", START, FOLLOWED, None, (COURSE,))
    survival = survival_report(STUDY, times_to_death([dead, alive]))
    assert (survival.events, survival.censored, survival.median_days) == (1, 1, 180)
    at = {one.months: one.estimate for one in survival.at_months}
    assert (at[6], at[36]) == (0.5, None)  # nobody was followed for three years


def test_before_the_first_step_a_curve_has_the_value_it_began_with() -> None:
    """A patient followed for a year, alive and without the grade: by then no more is unknown."""
    incidence = incidence_report(STUDY, times("0 on 2020-03-01"), Endpoint(ENZYME), 2)
    survival = survival_report(STUDY, times_to_death([followed()]))
    nobody = survival_report(STUDY, times_to_death([]))
    shown = [
        [(one.months, one.at_risk, one.estimate, one.low) for one in report.at_months[1:4]]
        for report in (incidence, survival, nobody)
    ]
    assert shown == [
        [(6, 1, 0.0, None), (12, 0, None, None), (24, 0, None, None)],  # censored on day 360
        [(6, 1, 1.0, None), (12, 0, None, None), (24, 0, None, None)],
        [(6, 0, None, None), (12, 0, None, None), (24, 0, None, None)],
    ]


def test_a_lane_shows_each_first_rise_and_the_treatment() -> None:
    patient = followed()
    by_grade = {grade: times(f"{grade} on 2020-0{grade}-09") for grade in (3, 2)}
    found = swimmer(by_grade, times_to_death([patient]), {"P1": (COURSE,)})
    (lane,) = found.lanes
    assert (lane.reached, lane.treated, lane.worst) == (((34, 2), (63, 3)), ((0, 39),), 3)
    assert (lane.end, lane.died) == (360, False)
