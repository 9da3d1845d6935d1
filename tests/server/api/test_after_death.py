"""A result after the patient's death, and dates in the future, in a stored study."""

from typing import Any

import httpx
import pytest

_STUDY = "/v1/studies/default"
_P1 = f"{_STUDY}/patients/P1"
_ONE = {"results": 1, "patients": ["P1"]}  # left out, of whom
_RADIOTHERAPY = {"start": "2020-01-06", "end": "2020-02-14"}  # acute until 2020-05-14


def alt(value: str, collected: str, **more: object) -> dict[str, Any]:
    return {"analyte": "ALT", "value": value, "unit": "U/L", "uln": "40", "collected": collected,
            "source_id": collected} | more  # fmt: skip


def post(api: httpx.Client, *results: dict[str, Any]) -> httpx.Response:
    sent = {"radiotherapy": _RADIOTHERAPY, "results": list(results)}
    return api.post(f"{_P1}/results", json=sent)


def store(api: httpx.Client, *results: dict[str, Any]) -> None:
    answer = post(api, *results)
    assert answer.status_code == 201, answer.text


def record(api: httpx.Client, **what: object) -> None:
    answer = api.put(_P1, json=what)
    assert answer.status_code == 200, answer.text


def died(api: httpx.Client, day: str) -> None:
    record(api, last_contact=day, vital_status="dead")


def get(api: httpx.Client, path: str) -> dict[str, Any]:
    answer = api.get(f"{_STUDY}/{path}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def flags(api: httpx.Client) -> dict[str, list[str]]:
    """The flags by the day of the result."""
    return {one["collected"]: one["flags"] for one in get(api, "patients/P1/grades")["grades"]}


def worst(api: httpx.Client) -> int | None:
    (alone,) = get(api, "patients/P1/toxicity")["summary"]
    found: int | None = alone["worst_acute"]
    return found


@pytest.mark.parametrize(
    ("collected", "status", "is_taken"),
    [
        ("2020-03-20", "final", True),  # on the day of death
        ("2020-03-21", "final", False),
        ("2020-03-21", "preliminary", False),
        ("2020-03", "final", True),  # perhaps before it
        ("2020-04", "final", False),
        ("2020-03-21", "entered-in-error", True),  # a withdrawal is always taken
    ],
)
def test_a_result_after_the_death_is_refused(
    api: httpx.Client, collected: str, status: str, is_taken: bool
) -> None:
    store(api, alt("30", "2020-01-03"))
    died(api, "2020-03-20")
    answer = post(api, alt("37.25", "2020-03-02"), alt("377.25", collected, status=status))
    if is_taken:
        assert answer.status_code == 201
        return
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["loc"], error["code"]) == (["results", 1, "collected"], "after-death")
    assert "377.25" not in answer.text
    assert list(flags(api)) == ["2020-01-03"]  # Nothing of the request is stored.


def test_a_death_recorded_later_takes_results_out_of_reports(api: httpx.Client) -> None:
    """ALT 300 at a ULN of 40 is grade 3, ALT 60 grade 1."""
    store(api, alt("30", "2020-01-03"), alt("60", "2020-03-02"), alt("300", "2020-03-25"))
    store(api, alt("300", "2020-03"))
    assert worst(api) == 3
    died(api, "2020-03-20")
    assert flags(api)["2020-03-25"] == ["after-death"]
    assert "after-death" not in flags(api)["2020-03"]  # It may have been before.
    store(api, alt("60", "2020-03", status="corrected"))
    assert worst(api) == 1
    toxicity, table = get(api, "patients/P1/toxicity"), get(api, "toxicity-table")
    assert (toxicity["after_death"], table["after_death"]) == (1, _ONE)
    assert [row["counts"]["3"] for row in table["rows"] if row["label"] == "Liver enzymes"] == [
        0,
        0,
    ]
    assert table["any_toxicity"]["patients"] == ["P1"]
    time = get(api, "time-to-grade?term=Alanine aminotransferase increased&min_grade=3")
    assert (time["events"], time["competing"], time["after_death"]) == (0, 1, _ONE)
    assert get(api, "time-to-grade?term=Anemia&min_grade=3")["after_death"]["results"] == 0
    survival = get(api, "survival")
    assert [(step["days"], step["events"]) for step in survival["steps"]] == [(74, 1)]
    assert survival["after_death"] == _ONE
    assert get(api, "liver-safety")["patients"][0]["peak_x_uln"]["ALT"] == 1.5


def test_the_flag_follows_the_recorded_death(api: httpx.Client) -> None:
    store(api, alt("30", "2020-01-03"), alt("300", "2020-03-25"))
    for recorded, flag in (
        ({"last_contact": "2020-03-20", "vital_status": "dead"}, ["after-death"]),
        ({"last_contact": "2020-03-25", "vital_status": "dead"}, []),
        ({"last_contact": "2020-03-24", "vital_status": "dead"}, ["after-death"]),
        ({"last_contact": "2020-03-24", "vital_status": "alive"}, []),
        ({"last_contact": "2020-03-24", "vital_status": "dead"}, ["after-death"]),
        ({"last_contact": None, "vital_status": None}, []),
    ):
        record(api, **recorded)
        assert flags(api)["2020-03-25"] == flag, recorded
        assert worst(api) == (None if flag else 3)


def test_a_result_after_death_is_no_baseline(api: httpx.Client) -> None:
    store(api, alt("30", "2020-01-02"), alt("300", "2020-01-05"))
    died(api, "2020-01-03")
    found = get(api, "patients/P1/grades")["grades"]
    assert [one["phase"] for one in found] == ["baseline", "pre_treatment"]


def test_an_event_that_a_later_death_overtakes_is_left_out(api: httpx.Client) -> None:
    store(api, alt("30", "2020-01-03"))
    event = {"term": "Nausea", "grade": 3, "onset": "2020-03-25", "source_id": "e1"}
    assert api.post(f"{_P1}/events", json=event).status_code == 201
    died(api, "2020-03-20")
    table = get(api, "toxicity-table")
    assert not [row for row in table["rows"] if "Nausea" in row["terms"]]  # not collected
    assert table["after_death"] == _ONE
    assert get(api, "time-to-grade?term=Nausea&min_grade=3")["events"] == 0
    again = event | {"grade": 2}
    assert api.post(f"{_P1}/events", json=again).json()["errors"][0]["loc"] == ["onset"]
    withdrawn = event | {"status": "entered-in-error"}
    assert api.post(f"{_P1}/events", json=withdrawn).status_code == 201
    assert get(api, "toxicity-table")["after_death"]["results"] == 0


@pytest.mark.parametrize(
    ("collected", "last_contact", "days"),
    [
        ("2099-03-02", "2020-12-01", 330),  # a slip of the keyboard beside a last contact
        ("2099-03-02", None, 56),  # without one the last likely result counts
        ("2021-03-02", "2020-12-01", 330),  # no laboratory date beyond the last contact
        ("2020-06-01", None, 147),
        ("1999-03-02", None, 56),
    ],
)
def test_follow_up_ends_with_the_last_contact(
    api: httpx.Client, collected: str, last_contact: str | None, days: int
) -> None:
    store(api, alt("30", "2020-01-03"), alt("30", "2020-03-02"), alt("300", collected))
    if last_contact:
        record(api, last_contact=last_contact, vital_status="alive")
    assert [step["days"] for step in get(api, "survival")["steps"]] == [days]
    of_result = next(
        g for g in get(api, "patients/P1/grades")["grades"] if g["collected"] == collected
    )
    assert of_result["grade"] == 3
    assert (of_result["flags"] == ["unlikely-date"]) is (collected[:4] in ("1999", "2099"))


def test_an_unlikely_date_does_not_complete_the_acute_window(api: httpx.Client) -> None:
    store(api, alt("30", "2020-01-03"), alt("30", "2099-03-02"))
    assert get(api, "toxicity-table")["window_incomplete"] == ["P1"]


def test_data_shifted_by_centuries_are_graded_without_remark(api: httpx.Client) -> None:
    sent = {"radiotherapy": {"start": "2201-01-06", "end": "2201-02-14"},
            "results": [alt("30", "2201-01-03"), alt("300", "2202-03-02")]}  # fmt: skip
    assert api.post(f"{_P1}/results", json=sent).status_code == 201
    assert flags(api) == {"2201-01-03": [], "2202-03-02": []}
    assert [step["days"] for step in get(api, "survival")["steps"]] == [420]
