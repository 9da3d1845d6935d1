"""Time to a grade, survival and late toxicity over HTTP: who counts, from when, until when."""

from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value

_STUDY = "/v1/studies/default"
# Radiotherapy from 2011-01-24 to 2011-03-09; the acute window ends on 2011-06-09.


def bilirubin(number: str, collected: str) -> dict[str, Any]:
    return value(value=number, collected=collected, source_id=collected)


def store(api: httpx.Client, patient: str, *results: dict[str, Any], **more: object) -> None:
    sent = panel(*results, **({"baseline": [baseline()]} | more))
    answer = api.post(f"{_STUDY}/patients/{patient}/results", json=sent)
    assert answer.status_code == 201, answer.text


def record(api: httpx.Client, patient: str, **what: object) -> None:
    assert api.put(f"{_STUDY}/patients/{patient}", json=what).status_code == 200


def event(api: httpx.Client, patient: str, **what: object) -> None:
    answer = api.post(f"{_STUDY}/patients/{patient}/events", json=what)
    assert answer.status_code == 201, answer.text


def time_to(api: httpx.Client, grade: int, term: str = "Bilirubin") -> dict[str, Any]:
    answer = api.get(f"{_STUDY}/time-to-grade", params={"term": term, "min_grade": grade})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_who_is_observed_and_how(api: httpx.Client) -> None:
    """At a ULN of 1.2 mg/dL, 1.3 is grade 1, 2.0 grade 2, 6.0 grade 3."""
    store(api, "event", bilirubin("2.0", "2011-02-03"), bilirubin("6.0", "2011-03-01"))
    store(api, "died", bilirubin("1.3", "2011-02-03"))
    record(api, "died", last_contact="2011-02-23", vital_status="dead", cause="tumour")
    store(api, "alive", bilirubin("1.0", "2011-02-03"))
    record(api, "alive", last_contact="2011-03-05", vital_status="alive")
    store(api, "open", value(value="6.0", uln=None, lln=None, collected="2011-02-03"))
    store(api, "no-start", bilirubin("6.0", "2011-02-03"), baseline=[], radiotherapy=None)
    store(api, "no-result", value(analyte="ALT", unit="U/L", value=20, uln=40), baseline=[])
    answer = time_to(api, 2)
    assert (answer["events"], answer["competing"], answer["censored"]) == (1, 1, 2)
    steps = {step["days"]: step for step in answer["steps"]}
    assert set(steps) == {10, 30, 40}
    assert (steps[10]["at_risk"], steps[10]["events"], steps[10]["censored"]) == (4, 1, 1)
    assert steps[10]["estimate"] == 0.25
    assert (steps[30]["competing"], steps[40]["censored"]) == (1, 1)
    assert answer["undecided"] == ["open"]
    assert answer["not_evaluable"] == {
        "no-radiotherapy-start": ["no-start"], "not-measured": ["no-result"],
    }  # fmt: skip


def test_a_grade_that_the_baseline_had_is_not_an_event(api: httpx.Client) -> None:
    store(api, "P1", bilirubin("2.0", "2011-02-03"), baseline=[baseline(value="2.1")])
    assert time_to(api, 2)["events"] == 0


def test_a_later_course_ends_the_first_and_begins_its_own(api: httpx.Client) -> None:
    store(api, "P1", bilirubin("1.0", "2011-02-03"), bilirubin("6.0", "2012-01-11"))
    courses = [
        {"start": "2011-01-24", "end": "2011-03-09"},
        {"start": "2012-01-01", "end": "2012-01-20"},
    ]
    record(api, "P1", courses=courses)
    first = time_to(api, 3)
    assert [(s["days"], s["censored"]) for s in first["steps"]] == [(342, 1)], "the next start"
    second = api.get(f"{_STUDY}/time-to-grade?term=Bilirubin&grade=3&course=2").json()
    assert [(s["days"], s["events"]) for s in second["steps"]] == [(10, 1)]


def test_clinical_terms_count_from_their_onset(api: httpx.Client) -> None:
    store(api, "P1", bilirubin("1.0", "2011-03-05"))
    store(api, "P2", bilirubin("1.0", "2011-03-05"))
    event(api, "P1", term="Nausea", grade=1, onset="2011-01-20")
    event(api, "P1", term="Nausea", grade=1, onset="2011-01-30")
    event(api, "P1", term="Nausea", grade=2, onset="2011-02-13")
    answer = time_to(api, 1, "Nausea")
    assert [(s["days"], s["events"]) for s in answer["steps"]] == [(20, 1), (40, 0)]
    assert time_to(api, 3, "Nausea")["events"] == 0


def test_survival_runs_through_later_courses(api: httpx.Client) -> None:
    store(api, "P1", bilirubin("1.0", "2011-02-03"))
    courses = [
        {"start": "2011-01-24", "end": "2011-03-09"},
        {"start": "2012-01-01", "end": "2012-01-20"},
    ]
    record(api, "P1", courses=courses, last_contact="2012-01-24", vital_status="dead")
    answer = api.get(f"{_STUDY}/survival").json()
    assert [(s["days"], s["events"]) for s in answer["steps"]] == [(365, 1)]
    assert answer["median_days"] == 365


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("term=Nausia&grade=2", "term"),
        ("term=Nausea", "min_grade"),
        ("term=Nausea&min_grade=6", "min_grade"),
        ("term=Nausea&grade=6", "grade"),
    ],
)
def test_a_wrong_question_is_refused_by_field(api: httpx.Client, query: str, field: str) -> None:
    answer = api.get(f"{_STUDY}/time-to-grade?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", field]


def late(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{_STUDY}/late-toxicity").json()["late"]
    return found


def test_a_late_toxicity_and_its_way_back(api: httpx.Client) -> None:
    store(
        api, "P1", bilirubin("1.3", "2011-04-01"), bilirubin("2.0", "2011-07-01"),
        bilirubin("6.0", "2011-08-09"), bilirubin("1.3", "2011-09-09"),
        bilirubin("1.0", "2011-10-09"), bilirubin("1.1", "2011-11-09"),
    )  # fmt: skip
    event(api, "P1", term="Blood bilirubin increased", grade=3, onset="2011-08-10",
          attribution="unrelated")  # fmt: skip
    (one,) = late(api)
    assert {name: one[name] for name in ("term", "baseline_grade", "worst_grade")} == {
        "term": "Blood bilirubin increased", "baseline_grade": 0, "worst_grade": 3,
    }  # fmt: skip
    assert one["attribution"] == "unrelated"
    assert (one["first"]["date"], one["worst"]["date"]) == ("2011-07-01", "2011-08-09")
    assert (one["worst"]["days_from_end"], one["worst"]["value"]) == (153, "6.0 mg/dL")
    assert one["resolved"]["date"] == "2011-10-09"
    assert [visit["at_least"] for visit in one["visits"]] == [1, 2, 3, 3, 1, 0, 0]


def test_what_is_not_late_toxicity(api: httpx.Client) -> None:
    store(api, "acute", bilirubin("6.0", "2011-06-09"))
    store(api, "as-before", bilirubin("2.0", "2011-07-01"), baseline=[baseline(value="2.1")])
    store(api, "no-baseline", bilirubin("6.0", "2011-07-01"), baseline=[])
    store(api, "undecided", value(value="6.0", uln=None, collected="2011-07-01"))
    assert late(api) == []


def test_a_late_symptom_began_at_grade_0(api: httpx.Client) -> None:
    store(api, "P1", bilirubin("1.0", "2011-04-01"))
    event(api, "P1", term="Fatigue", grade=1, onset="2011-01-01")
    event(api, "P1", term="Fatigue", grade=1, onset="2011-07-01")
    event(api, "P1", term="Nausea", grade=2, onset="2011-07-01", resolved="2011-07-20")
    (one,) = late(api)
    assert (one["term"], one["baseline_grade"], one["worst_grade"]) == ("Nausea", 0, 2)
    assert one["resolved"]["date"] == "2011-07-20"
