"""Times to a grade, curves and late toxicity where dates, ends and attributions are not simple."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, value

_STUDY = "/v1/studies/default"
_RT = {"start": "2011-01-24", "end": "2011-03-09"}  # the acute window ends on 2011-06-09
_NO_END = {"start": "2011-01-24"}


def bilirubin(number: str, collected: str) -> dict[str, Any]:
    return value(value=number, collected=collected, source_id=collected)


def store(
    api: httpx.Client,
    patient: str,
    *results: dict[str, Any],
    courses: tuple[dict[str, str], ...] = (_RT,),
    before: str = "1.0",
    **follow_up: str,
) -> None:
    """A patient seen until 2012-01-24, with a bilirubin before radiotherapy (ULN 1.2 mg/dL)."""
    place = f"{_STUDY}/patients/{patient}"
    seen = {"last_contact": "2012-01-24", "vital_status": "alive"} | follow_up
    assert api.put(place, json={"courses": courses, **seen}).status_code == 200
    own = {"baseline": [baseline(value=before)], "results": results}
    sent = api.post(f"{place}/results", json=own)
    assert sent.status_code == 201, sent.text


def event(api: httpx.Client, patient: str, **what: object) -> None:
    sent = {"term": "Nausea", "grade": 2} | what
    answer = api.post(f"{_STUDY}/patients/{patient}/events", json=sent)
    assert answer.status_code == 201, answer.text


def read(api: httpx.Client, report: str, **query: object) -> dict[str, Any]:
    answer = api.get(f"{_STUDY}/{report}", params={k: str(v) for k, v in query.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def days_of_events(answer: dict[str, Any]) -> list[int]:
    return [step["days"] for step in answer["steps"] for _ in range(step["events"])]


@pytest.mark.parametrize(
    ("courses", "collected", "day", "undecided", "inexact"),
    [
        ((_RT,), "2011-05-20", 116, [], []),
        ((_NO_END,), "2011-08-20", 208, [], []),  # acute or late, but after the start
        ((_RT,), "2011-06", 128, [], ["P"]),  # acute or late: from its first possible day on
        ((_NO_END,), "2011-08", 189, [], ["P"]),
        ((_RT,), "2011-01", None, ["P"], []),  # before or after the start
        ((_RT,), "2011", None, ["P"], []),
    ],
)
def test_what_is_certainly_after_the_start_counts(
    api: httpx.Client,
    courses: tuple[dict[str, str], ...],
    collected: str,
    day: int | None,
    undecided: list[str],
    inexact: list[str],
) -> None:
    store(api, "P", bilirubin("6.0", collected), courses=courses)
    answer = read(api, "time-to-grade", term="Bilirubin", min_grade=3)
    assert days_of_events(answer) == ([] if day is None else [day])
    assert (answer["undecided"], answer["inexact"]) == (undecided, inexact)
    assert answer["not_evaluable"] == {}


def test_a_possible_earlier_grade_makes_the_day_inexact(api: httpx.Client) -> None:
    store(api, "P", bilirubin("6.0", "2011-05-20"), bilirubin("6.1", "2011"))
    answer = read(api, "time-to-grade", term="Bilirubin", min_grade=3)
    assert (days_of_events(answer), answer["inexact"]) == ([116], ["P"])


def test_results_of_another_course_are_named(api: httpx.Client) -> None:
    second = {"start": "2011-09-01", "end": "2011-09-20"}
    store(api, "P", bilirubin("6.0", "2011-10-01"), bilirubin("6.1", "2011-11-01"),
          courses=(_RT, second))  # fmt: skip
    store(api, "Q", bilirubin("1.0", "2011-10-01"))
    first, late = (
        read(api, "time-to-grade", term="Bilirubin", min_grade=3),
        read(api, "late-toxicity"),
    )
    for answer in (first, late):
        assert answer["other_courses"] == {"results": 2, "patients": ["P"]}
    answer = read(api, "time-to-grade", term="Bilirubin", min_grade=3, course=2)
    assert answer["other_courses"] == {"results": 0, "patients": []}, "nothing after the first"


def test_what_resolved_before_radiotherapy_is_no_baseline(api: httpx.Client) -> None:
    store(api, "P", bilirubin("1.0", "2011-02-03"))
    event(api, "P", onset="2010-11-01", resolved="2010-11-20")
    event(api, "P", onset="2011-02-13")
    assert days_of_events(read(api, "time-to-grade", term="Nausea", min_grade=2)) == [20]


def test_a_clinicians_grade_of_a_laboratory_term_is_compared_with_its_baseline(
    api: httpx.Client,
) -> None:
    store(api, "P", bilirubin("1.0", "2011-02-03"))
    event(api, "P", term="Blood bilirubin increased", grade=3, onset="2011-02-13")
    assert days_of_events(read(api, "time-to-grade", term="Bilirubin", min_grade=3)) == [20]
    store(api, "Q", bilirubin("6.5", "2011-02-03"), before="6.0")
    event(api, "Q", term="Blood bilirubin increased", grade=3, onset="2011-02-13")
    answer = read(api, "time-to-grade", term="Bilirubin", min_grade=3)
    assert (answer["events"], answer["undecided"]) == (1, []), "Q began at grade 3"


@pytest.mark.parametrize(
    ("course_of_it", "listed", "undecided"),
    [
        ({"resolved": "2011-08-01"}, True, False),
        ({"ongoing": True}, True, False),
        ({}, False, True),
        ({"resolved": "2011-06-09"}, False, False),
    ],
)
def test_what_began_in_the_acute_window_and_lasted_is_late(
    api: httpx.Client, course_of_it: dict[str, object], listed: bool, undecided: bool
) -> None:
    store(api, "P", bilirubin("1.0", "2011-02-03"))
    event(api, "P", term="Fatigue", onset="2011-03-24", **course_of_it)
    answer = read(api, "late-toxicity")
    assert [one["term"] for one in answer["late"]] == (["Fatigue"] if listed else [])
    assert [one["term"] for one in answer["undecided"]] == (["Fatigue"] if undecided else [])
    for one in answer["late"]:
        assert (one["persistent"], one["first"]["phase"]) == (True, "acute")
        assert (one["first"]["date"], one["worst_grade"]) == ("2011-03-24", 2)


def test_a_later_assessment_shows_that_it_lasted(api: httpx.Client) -> None:
    store(api, "P", bilirubin("1.0", "2011-02-03"))
    event(api, "P", term="Fatigue", onset="2011-03-24")
    event(api, "P", term="Fatigue", onset="2011-12-24", grade=1)
    (one,) = read(api, "late-toxicity")["late"]
    assert (one["persistent"], one["worst_grade"], one["worst"]["phase"]) == (True, 2, "acute")


def test_ongoing_is_kept_and_excludes_resolved(api: httpx.Client) -> None:
    store(api, "P", bilirubin("1.0", "2011-02-03"))
    event(api, "P", onset="2011-02-13", ongoing=True)
    place = f"{_STUDY}/patients/P/events"
    (stored,) = api.get(place).json()["events"]
    assert stored["ongoing"] is True
    both = {"term": "Nausea", "grade": 1, "onset": "2011-03-01", "resolved": "2011-04-01",
            "ongoing": True}  # fmt: skip
    answer = api.post(place, json=both)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["ongoing"])


def test_attributions_are_counted_and_asked_for(api: httpx.Client) -> None:
    store(api, "P", bilirubin("6.0", "2011-08-09"))
    event(api, "P", onset="2011-07-01", attribution="related")
    event(api, "P", term="Fatigue", onset="2011-07-02", attribution="unrelated")
    answer = read(api, "late-toxicity", attribution="related")
    assert [one["term"] for one in answer["late"]] == ["Nausea"]
    assert {name: found["n"] for name, found in answer["by_attribution"].items()} == {
        "related": 1, "unrelated": 1, "unknown": 1,
    }  # fmt: skip
    found = {
        asked: read(api, "time-to-grade", term=term, min_grade=2, attribution=asked)["events"]
        for asked, term in (("related", "Nausea"), ("unrelated", "Nausea"), ("unknown", "Nausea"))
    }
    assert found == {"related": 1, "unrelated": 0, "unknown": 0}
    laboratory = read(api, "time-to-grade", term="Bilirubin", min_grade=3, attribution="related")
    assert (laboratory["events"], laboratory["n"]) == (0, 1)
    both = api.get(f"{_STUDY}/late-toxicity?attribution=related&attribution=unknown").json()
    assert [one["term"] for one in both["late"]] == ["Blood bilirubin increased", "Nausea"]


def test_censoring_at_the_last_result_by_choice(api: httpx.Client) -> None:
    store(api, "P", bilirubin("1.0", "2011-03-20"))
    asked = {"term": "Bilirubin", "min_grade": 2}
    assert [s["days"] for s in read(api, "time-to-grade", **asked)["steps"]] == [365]
    answer = read(api, "time-to-grade", **asked, censor="last-result")
    assert [(s["days"], s["censored"]) for s in answer["steps"]] == [(55, 1)]
    assert "last result" in answer["definition"]
    refused = api.get(f"{_STUDY}/time-to-grade?term=Nausea&min_grade=2&censor=last-result")
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["query", "censor"])


def test_a_curve_that_can_no_longer_change_keeps_its_value(api: httpx.Client) -> None:
    for patient, died in (("P", "2011-03-05"), ("Q", "2011-05-04")):
        store(api, patient, bilirubin("6.0", "2011-02-03"), last_contact=died, vital_status="dead")
    survival, incidence = (
        read(api, "survival"),
        read(api, "time-to-grade", term="Bilirubin", min_grade=3),
    )
    assert [point["estimate"] for point in survival["at_months"][:2]] == [0.5, 0]
    assert survival["at_months"][-1]["estimate"] == 0
    assert incidence["at_months"][-1]["estimate"] == 1
    store(api, "R", bilirubin("1.0", "2011-02-03"))
    assert read(api, "survival")["at_months"][-1]["estimate"] is None, "R was alive"
