"""``Prefer: return=minimal`` (RFC 7240): stored all the same, answered without a body."""

import httpx
import pytest

from tests.server.api.panels import panel, value

_RESULTS = "/v1/studies/default/patients/P1/results"
_MINIMAL = {"Prefer": "return=minimal"}


def _stored(api: httpx.Client) -> list[dict[str, object]]:
    grades = api.get("/v1/studies/default/patients/P1/grades").json()["grades"]
    return [
        {name: each for name, each in grade.items() if name != "recorded_at"} for grade in grades
    ]


@pytest.mark.parametrize(
    ("prefer", "is_minimal"),
    [
        ("return=minimal", True),
        ("Return = minimal", True),
        ('return="minimal"', True),
        ("return=minimal; foo=bar", True),
        ("respond-async, return=minimal", True),
        ("return=minimal, return=representation", True),  # the first one counts
        ("return=representation, return=minimal", False),
        ("return=representation", False),
        ("return=minimally", False),
        ("return", False),
        ("minimal", False),
        ('note="a, return=minimal"', False),
        ('note="a', False),
        ("return=minimal," * 20, False),  # no list of preferences is so long
        ("", False),
    ],
)
def test_what_prefers_a_minimal_answer(api: httpx.Client, prefer: str, is_minimal: bool) -> None:
    answer = api.post(_RESULTS, json=panel(), headers={"Prefer": prefer})
    assert answer.status_code == 201
    assert answer.headers.get("Preference-Applied") == ("return=minimal" if is_minimal else None)
    assert (answer.content == b"") is is_minimal


def test_preferences_may_come_in_several_headers(api: httpx.Client) -> None:
    several = [("Prefer", "respond-async"), ("Prefer", "return=minimal")]
    assert api.post(_RESULTS, json=panel(), headers=several).content == b""


def test_the_same_is_stored(api: httpx.Client) -> None:
    shown = api.post(_RESULTS, json=panel()).json()["grades"]
    whole = _stored(api)
    other = api.post(_RESULTS.replace("P1", "P2"), json=panel(), headers=_MINIMAL)
    assert (other.status_code, other.headers["Content-Length"]) == (201, "0")
    assert "Content-Type" not in other.headers
    found = api.get("/v1/studies/default/patients/P2/grades").json()["grades"]
    keys = ("id", "recorded_at")
    assert [{n: v for n, v in g.items() if n not in keys} for g in found] == [
        {n: v for n, v in g.items() if n not in keys} for g in shown
    ]
    assert whole


def test_what_is_refused_is_told_in_full(api: httpx.Client) -> None:
    answer = api.post(_RESULTS, json=panel(value(), value(value="9")), headers=_MINIMAL)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert "Preference-Applied" not in answer.headers


def test_sent_again_under_its_key_each_gets_what_it_prefers(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post(_RESULTS, json=panel(), headers=key | _MINIMAL)
    again = api.post(_RESULTS, json=panel(), headers=key | _MINIMAL)
    whole = api.post(_RESULTS, json=panel(), headers=key)
    assert (first.status_code, again.status_code, whole.status_code) == (201, 201, 201)
    assert first.content == again.content == b""
    assert again.headers["Preference-Applied"] == "return=minimal"
    assert again.headers["Idempotency-Replayed"] == whole.headers["Idempotency-Replayed"] == "true"
    assert [grade["grade"] for grade in whole.json()["grades"]] == [
        grade["grade"] for grade in _stored(api)
    ]


def test_the_document_tells_of_it(stateless: httpx.Client) -> None:
    path = "/v1/studies/{study}/patients/{patient}/results"
    operation = stateless.get("/openapi.json").json()["paths"][path]["post"]
    assert "Prefer" in [parameter["name"] for parameter in operation["parameters"]]
    assert "Preference-Applied" in operation["responses"]["201"]["headers"]
