"""What a patient's results and events count as in a window: certain, possible, or not at all."""

from datetime import date

import pytest

from toxgrade.cohort.clinical_events import ClinicalEvent, events_over_course
from toxgrade.cohort.definition import ReportPhase, Scope
from toxgrade.cohort.patient_bounds import TermBounds, add_events, add_unplaced
from toxgrade.grading.parse import read_collected
from toxgrade.grading.phase import PRESETS, possible_places
from toxgrade.grading.result import Course
from toxgrade.grading.worst_grade import Bounds

# Acute: 2020-01-07 to 2020-05-14. Late: from 2020-05-15 on.
COURSES = (Course(date(2020, 1, 6), date(2020, 2, 14)),)
WINDOW = PRESETS["paper"]


def shown(bounds: Bounds | None) -> str:
    """``2``, ``0 to 2`` where only 2 is possible, ``perhaps 2`` where nothing is certain."""
    if bounds is None:
        return "nothing"
    if bounds.at_least is None:
        return f"perhaps {bounds.at_most}"
    certain = bounds.at_least == bounds.at_most
    return str(bounds.at_least) if certain else f"{bounds.at_least} to {bounds.at_most}"


def events(text: str) -> list[ClinicalEvent]:
    """``2 on 2020-02-01, 3 on 2020-07``: a clinician's grades of fatigue."""
    found = []
    for part in text.split(", ") if text else []:
        grade, _, onset = part.split()
        found.append(ClinicalEvent("Fatigue", int(grade), read_collected(onset)))
    return found


@pytest.mark.parametrize(
    ("recorded", "acute", "late", "baseline"),
    [
        ("2 on 2020-02-01", "2", "perhaps 2", "nothing"),  # nobody looked again
        ("2 on 2020-07-01", "nothing", "2", "nothing"),
        ("2 on 2020-02-01, 0 on 2020-03-01", "2", "nothing", "nothing"),
        ("1 on 2019-12-01, 2 on 2020-02-01", "2", "perhaps 2", "1"),
        ("2 on 2020", "perhaps 2", "perhaps 2", "0 to 2"),  # on some day of the year
    ],
)
def test_what_a_clinicians_grades_count_as(
    recorded: str, acute: str, late: str, baseline: str
) -> None:
    found: dict[str, str] = {}
    phases: tuple[ReportPhase, ...] = ("acute", "late")
    for phase in phases:
        before: TermBounds = {}
        worst: TermBounds = {}
        add_events(before, worst, events(recorded), COURSES, WINDOW, Scope(phase), None)
        found |= {phase: shown(worst.get("Fatigue")), "baseline": shown(before.get("Fatigue"))}
    assert found == {"acute": acute, "late": late, "baseline": baseline}


@pytest.mark.parametrize(
    ("day", "acute", "late"),
    [
        ("2020-02", "2", "nothing"),  # any day of February is acute
        ("2020-05", "perhaps 2", "perhaps 2"),  # the window ends within May
        ("2020", "perhaps 2", "perhaps 2"),
        ("2021", "nothing", "2"),
        ("2019", "nothing", "nothing"),
    ],
)
def test_what_a_result_of_a_partial_date_counts_as(day: str, acute: str, late: str) -> None:
    found = {}
    phases: tuple[ReportPhase, ...] = ("acute", "late")
    for phase in phases:
        worst: TermBounds = {}
        places = possible_places(read_collected(day), COURSES, WINDOW)
        add_unplaced(worst, "T", Bounds(2, 2, decided=True), places, Scope(phase))
        found[phase] = shown(worst.get("T"))
    assert found == {"acute": acute, "late": late}


@pytest.mark.parametrize(
    ("measured", "recorded", "laboratory", "baseline", "worse"),
    [
        (None, "1 on 2020-02-01", (), "0", True),  # a clinical term was absent before
        (None, "1 on 2020-02-01", ("Fatigue",), "nothing", None),  # a laboratory term may not be
        (None, "1 on 2020-02-01", None, "nothing", None),  # nothing is assumed
        (1, "1 on 2020-02-01", ("Fatigue",), "1", False),
        (0, "2 on 2019-12-01, 2 on 2020-02-01", ("Fatigue",), "2", False),  # the higher of the two
    ],
)
def test_the_baseline_that_an_event_is_compared_with(
    measured: int | None, recorded: str, laboratory: tuple[str, ...] | None, baseline: str,
    worse: bool | None,
) -> None:  # fmt: skip
    known = {} if measured is None else {"Fatigue": Bounds(measured, measured, decided=True)}
    (found,) = events_over_course(events(recorded), COURSES, 0, WINDOW, None, known, laboratory)
    assert (shown(found.baseline), found.placed[-1].worse) == (baseline, worse)
