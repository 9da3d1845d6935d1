"""A request sent again under its key takes effect once and gets the same answer, byte for byte."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel, value
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_RESULTS = "/v1/studies/default/patients/P1/results"
_EVENTS = "/v1/studies/default/patients/P1/events"
_NAUSEA = {"term": "Nausea", "grade": 2, "onset": "2011-02-01"}


def _post(api: httpx.Client, key: str, body: object, path: str = _RESULTS) -> httpx.Response:
    return api.post(path, json=body, headers={"Idempotency-Key": key})


@pytest.mark.parametrize(("path", "body"), [(_RESULTS, panel()), (_EVENTS, _NAUSEA)])
def test_sent_again_it_is_answered_the_same_and_marked_in_a_header_only(
    api: httpx.Client, path: str, body: object
) -> None:
    first, again = _post(api, "k1", body, path), _post(api, '"k1"', body, path)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    outcomes = [e["outcome"] for e in api.get("/v1/studies/default/audit").json()["entries"]]
    assert outcomes == ["done", "replayed"]


def test_the_first_answer_stands_whatever_came_since(api: httpx.Client) -> None:
    first = _post(api, "k1", panel())
    _post(api, "k2", panel(value(value="4.0")))
    assert _post(api, "k1", panel()).content == first.content
    grades = api.get("/v1/studies/default/patients/P1/grades").json()["grades"]
    assert [g["grade"] for g in grades] == [3]


@pytest.mark.parametrize(
    ("path", "body"), [(_RESULTS, panel(value(value="1.9"))), (_EVENTS, _NAUSEA)]
)
def test_another_request_under_the_same_key_is_refused(
    api: httpx.Client, path: str, body: object
) -> None:
    _post(api, "k1", panel())
    answer = _post(api, "k1", body, path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "key-reused")
    assert _post(api, "k1", panel()).status_code == 201


def test_a_refused_request_keeps_no_key(api: httpx.Client) -> None:
    bad = panel(value(), value(value="9"))
    assert _post(api, "k1", bad).status_code == 422
    assert _post(api, "k1", panel()).headers.get("Idempotency-Replayed") is None


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, '""', "a\tb"])
def test_a_key_that_cannot_be_one(stateless: httpx.Client, key: str) -> None:
    answer = _post(stateless, key, panel())
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "…"]


def test_keys_are_each_caller_s_own(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        keys = [create_key(opened, name) for name in ("a", "b")]
    with served(Settings(database_url=url)) as client:
        for key, grade in zip(keys, (1, 3), strict=True):
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "same"}
            body = panel(value(value="1.8" if grade == 1 else "4.0"))
            answer = client.post(_RESULTS, json=body, headers=headers)
            assert answer.json()["grades"][0]["grade"] == grade


def test_concurrent_twins_are_stored_once(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(api, "k1", panel()), range(24)))
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    assert sum("Idempotency-Replayed" not in a.headers for a in answers) == 1
