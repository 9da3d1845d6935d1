"""Late toxicity of one term: what a clinician would call late, persistent, resolved, or open."""

from datetime import date

import pytest

from toxgrade.cohort.clinical_events import ClinicalEvent, events_over_course
from toxgrade.cohort.late_toxicity import (
    TermVisits,
    Visit,
    event_visits,
    late_toxicity,
    result_visit,
)
from toxgrade.cohort.placed_result import PlacedResult
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import PRESETS, place, possible_places
from toxgrade.grading.result import Course
from toxgrade.grading.worst_grade import Bounds, worse

# Acute: 2020-01-07 to 2020-05-14. Late: from 2020-05-15 on.
COURSE = Course(date(2020, 1, 6), date(2020, 2, 14))
WINDOW = PRESETS["paper"]
NORMAL = Bounds(0, 0, decided=True)


def results(text: str, baseline: Bounds | None = NORMAL) -> list[Visit]:
    """``0 on 2020-01-20, 2-3 on 2020-07``: graded results of one term with their dates."""
    found = []
    for number, part in enumerate(text.split(", ") if text else []):
        grade, _, day = part.split()
        least, most = int(grade[0]), int(grade[-1])
        collected = read_collected(day)
        is_worse = worse(least, most, baseline) if baseline else None
        found.append(
            result_visit(
                PlacedResult(
                    1, number, "T", place(collected, (COURSE,), WINDOW).phase,
                    possible_places(collected, (COURSE,), WINDOW), collected.first,
                    collected.last, least, most, is_worse, is_likely=True, value=f"{grade} U/L",
                ),
                0,
            )
        )  # fmt: skip
    return [visit for visit in found if visit]


def recorded(text: str) -> list[Visit]:
    """``2 on 2020-02-20 to 2020-06-01``: a clinician's grades of one term."""
    events = []
    for part in text.split(", ") if text else []:
        grade, _, onset, *rest = part.split()
        resolved = date.fromisoformat(rest[1]) if rest[:1] == ["to"] else None
        ongoing = rest == ["ongoing"]
        events.append(ClinicalEvent("T", int(grade), read_collected(onset), resolved, ongoing))
    return [
        visit
        for found in events_over_course(events, (COURSE,), 0, WINDOW, None, {}, laboratory=())
        for visit in event_visits(found, (COURSE,), 0, WINDOW)
    ]


@pytest.mark.parametrize(
    ("measured", "clinical", "told"),
    [
        ("0 on 2020-07-01", "", "nothing"),
        ("2 on 2020-03-01, 0 on 2020-07-01", "", "nothing"),  # acute alone
        ("2 on 2020-07-01", "", "late 2, since 2020-07-01"),
        ("1 on 2020-06-01, 3 on 2020-07-01, 1 on 2020-08-01", "", "late 3, since 2020-06-01"),
        ("3 on 2020-06-01, 1 on 2020-07-01, 0 on 2020-08-01", "",
         "late 3, since 2020-06-01, resolved 2020-08-01"),
        ("0 on 2020-06-01, 3 on 2020-07-01", "", "late 3, since 2020-07-01"),
        ("2 on 2020", "", "perhaps late, up to 2"),  # acute or late?
        ("0-4 on 2020-07-01", "", "perhaps late, up to 4"),
        ("1-4 on 2020-07-01", "", "late 1, since 2020-07-01"),
        ("", "2 on 2020-02-20 ongoing", "late 2, since 2020-02-20, persistent"),
        ("", "2 on 2020-02-20 to 2020-06-01",
         "late 2, since 2020-02-20, persistent, resolved 2020-06-01"),
        ("", "2 on 2020-02-20 to 2020-03-01", "nothing"),
        ("", "2 on 2020-02-20", "perhaps late, up to 2"),  # nobody looked again
        ("", "2 on 2020-02-20, 1 on 2020-07-01", "late 2, since 2020-02-20, persistent"),
        ("", "2 on 2019-12-01, 2 on 2020-07-01", "nothing"),  # as before treatment
        ("", "2 on 2019-12-01, 3 on 2020-07-01", "late 3, since 2020-07-01"),
    ],
)  # fmt: skip
def test_what_is_late(measured: str, clinical: str, told: str) -> None:
    visits = [*recorded(clinical), *results(measured)]
    found = late_toxicity([TermVisits("P1", "T", visits, NORMAL, (COURSE,))], 0)
    said = [
        f"late {one.worst.at_least}, since {one.first.day}"
        + ", persistent" * one.persistent
        + (f", resolved {one.resolved.day}" if one.resolved else "")
        for one in found.late
    ]
    said += [f"perhaps late, up to {one.at_most}" for one in found.undecided]
    assert (said or ["nothing"]) == [told]


def test_without_a_baseline_a_laboratory_term_is_only_perhaps_worse() -> None:
    visits = results("2 on 2020-07-01", baseline=None)
    found = late_toxicity([TermVisits("P1", "T", visits, None, (COURSE,))], 0)
    assert (found.late, [one.at_most for one in found.undecided]) == ([], [2])


def test_a_patient_without_a_course_is_told_once_and_one_without_this_course_is_left_out() -> None:
    visits = results("2 on 2020-07-01")
    terms = [TermVisits("P1", term, visits, NORMAL, ()) for term in ("A", "B")]
    terms.append(TermVisits("P2", "A", visits, NORMAL, (COURSE,)))
    found = late_toxicity(terms, 1)
    assert (found.late, found.undecided, found.without_course) == ([], [], ["P1"])
