"""A time of day at the start of radiotherapy: honoured, stored, echoed, or refused by its field."""

import httpx
import pytest

_PATIENT = "/v1/studies/default/patients/P1"


def _alt(collected: str) -> dict[str, str]:
    return {"analyte": "ALT", "value": "90", "unit": "U/L", "uln": "40", "collected": collected}


@pytest.mark.parametrize(
    ("start", "phase"),
    [
        ("2020-01-06T09:00", "acute"),
        ("2020-01-06T16:00:00+01:00", "baseline"),
        ("2020-01-06", "baseline"),
        ("2020-01-06T00:00:00", "baseline"),  # a date without a time, as it is often written
    ],
)
def test_a_result_drawn_after_the_start_is_no_baseline(
    api: httpx.Client, start: str, phase: str
) -> None:
    body = {"radiotherapy": {"start": start}, "results": [_alt("2020-01-06T16:00")]}
    (grade,) = api.post("/v1/grade", json=body).json()["grades"]
    assert grade["phase"] == phase


def test_the_time_is_stored_and_echoed_and_counts_when_graded_again(api: httpx.Client) -> None:
    start = {"start": "2020-01-06T09:00", "end": "2020-02-14"}
    body = {"radiotherapy": start, "results": [_alt("2020-01-06T16:00")]}
    assert api.post(f"{_PATIENT}/results", json=body).json()["grades"][0]["phase"] == "acute"
    assert api.get(f"{_PATIENT}/toxicity").json()["radiotherapy"]["start"] == start["start"]
    later = {"results": [_alt("2020-01-06T08:00") | {"value": "30"}]}
    assert api.post(f"{_PATIENT}/results", json=later).status_code == 201
    found = {g["collected"]: g for g in api.get(f"{_PATIENT}/grades").json()["grades"]}
    assert found["2020-01-06T08:00"]["phase"] == "baseline"
    assert found["2020-01-06T16:00"]["worse_than_baseline"] is True
    moved = {"courses": [{"start": "2020-01-06T17:00", "end": "2020-02-14"}]}
    assert api.put(_PATIENT, json=moved).status_code == 200
    found = {g["collected"]: g for g in api.get(f"{_PATIENT}/grades").json()["grades"]}
    assert found["2020-01-06T16:00"]["phase"] == "baseline"


def test_a_time_that_cannot_be_honoured_is_refused(api: httpx.Client) -> None:
    body = {"radiotherapy": {"start": "2020-01-06T09"}, "results": [_alt("2020-01-06T16:00")]}
    answer = api.post("/v1/grade", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["radiotherapy", "start"]
