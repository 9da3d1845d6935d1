"""Bad input: a clear 4xx that names the field and what is accepted, and never the value sent."""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.server.api.panels import baseline, panel, value
from toxgrade.server.http.body import BodyProblem, read_json

_SECRET = "Zaphod-4711"
_GRADES = "/v1/studies/default/patients/nobody/grades"


def refused(stateless: httpx.Client, body: dict[str, Any] | bytes, status: int = 422) -> Any:
    """The problem that a body is answered with; checked for shape and for silence."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = stateless.post("/v1/grade", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "errors"} == problem.keys()
    assert problem["status"] == status
    assert _SECRET not in answer.text
    return problem


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"value": _SECRET}, "value", "unreadable-value"),
        ({"value": "1e400"}, "value", "unreadable-value"),
        ({"value": 10**400}, "value", "unreadable-value"),
        ({"value": "٣"}, "value", "unreadable-value"),
        ({"value": -1}, "value", "unreadable-value"),
        ({"value": "-0.5"}, "value", "unreadable-value"),
        ({"value": "1_000"}, "value", "unreadable-value"),
        ({"value": "1,8"}, "value", "unreadable-value"),
        ({"value": "NaN"}, "value", "unreadable-value"),
        ({"value": "inf"}, "value", "unreadable-value"),
        ({"value": "0x1"}, "value", "unreadable-value"),
        ({"value": "positive"}, "value", "unreadable-value"),
        ({"value": True}, "value", "unreadable-value"),
        ({"value": [1.8]}, "value", "unreadable-value"),
        ({"value": {"number": 1.8}}, "value", "unreadable-value"),
        ({"uln": "<1.2"}, "uln", "unreadable-limit"),
        ({"uln": -1}, "uln", "unreadable-limit"),
        ({"lln": False}, "lln", "unreadable-limit"),
        ({"collected": "2011-02-30"}, "collected", "unreadable-date"),
        ({"collected": "30.02.2011"}, "collected", "unreadable-date"),
        ({"collected": 20110423}, "collected", "unreadable-date"),
        ({"collected": "0011-04-23"}, "collected", "unreadable-date"),
        ({"issued": "2011-04-23T10:00:00"}, "issued", "unreadable-date-time"),
        ({"issued": 5}, "issued", "unreadable-date-time"),
        ({"issued": "0001-01-01T00:00:00+14:00"}, "issued", "unreadable-date-time"),
        ({"issued": "9999-12-31T23:59:59-14:00"}, "issued", "unreadable-date-time"),
        ({"unit": 5}, "unit", "string-type"),
        ({"unit": "mg\u0000dL"}, "unit", "unprintable"),
        ({"unit": "x" * 201}, "unit", "string-too-long"),
        ({"source_id": ["LAB"]}, "source_id", "string-type"),
        ({"analyte": ""}, "analyte", "too-short"),
        ({"analyte": None}, "analyte", "string-type"),
        ({"analyte": "\ud800"}, "analyte", "string-unicode"),
        ({"status": "FINAL"}, "status", "literal-error"),
        ({"usn": "1.2"}, "usn", "unknown-field"),
    ],
)
def test_a_lab_value_that_cannot_be_read(
    stateless: httpx.Client, changed: dict[str, Any], field: str, code: str
) -> None:
    (error,) = refused(stateless, panel(value(), value(**changed)))["errors"]
    assert (error["loc"], error["code"]) == (["results", 1, field], code)
    assert error["message"]


@pytest.mark.parametrize(
    ("changed", "loc", "code"),
    [
        ({"radiotherapy": {"start": "2011-03-09", "end": "2011-01-24"}},
         ["radiotherapy", "end"], "end-before-start"),
        ({"radiotherapy": {"end": "2011-03-09", "status": "in-progress"}},
         ["radiotherapy", "status"], "ended-and-ongoing"),
        ({"radiotherapy": {}}, ["radiotherapy"], "empty-course"),
        ({"radiotherapy": {"start": "2011-01"}}, ["radiotherapy", "start"], "partial-date"),
        ({"radiotherapy": {"begin": "2011-01-24"}}, ["radiotherapy", "begin"], "unknown-field"),
        ({"radiotherapy": "2011-01-24"}, ["radiotherapy"], "model-attributes-type"),
        ({"window": "forever"}, ["window"], "unknown-window"),
        ({"window": "end+121m"}, ["window"], "unknown-window"),
        ({"window": "start+3654d"}, ["window"], "unknown-window"),
        ({"window": "end+6"}, ["window"], "unknown-window"),
        ({"window": None}, ["window"], "unknown-window"),
        ({"window": 6}, ["window"], "unknown-window"),
        ({"window": {"anchor": "end"}}, ["window"], "window-length"),
        ({"window": {"anchor": "end", "months": 3, "days": 9}}, ["window"], "window-length"),
        ({"window": {"anchor": "end", "months": -1}}, ["window"], "window-length"),
        ({"window": {"anchor": "end", "months": True}}, ["window", "months"], "int-type"),
        ({"window": {"anchor": "end", "months": "3"}}, ["window", "months"], "int-type"),
        ({"window": {"anchor": "birth", "months": 3}}, ["window", "anchor"], "literal-error"),
        ({"edition": "6.7"}, ["edition"], "unknown-edition"),
        ({"editon": "4.03"}, ["editon"], "unknown-field"),
        ({"results": {}}, ["results"], "list-type"),
        ({"results": ["bilirubin"]}, ["results", 0], "model-attributes-type"),
        ({"baseline": None}, ["baseline"], "list-type"),
    ],
)  # fmt: skip
def test_a_panel_that_cannot_be_accepted(
    stateless: httpx.Client, changed: dict[str, Any], loc: list[Any], code: str
) -> None:
    found = [(e["loc"], e["code"]) for e in refused(stateless, {**panel(), **changed})["errors"]]
    assert (loc, code) in found


def test_a_missing_field_is_named(stateless: httpx.Client) -> None:
    (error,) = refused(stateless, {"baseline": []})["errors"]
    assert error == {"loc": ["results"], "code": "missing", "message": "this field is required"}


def test_an_unknown_field_says_which_are_known(stateless: httpx.Client) -> None:
    (error,) = refused(stateless, panel(value(ulm=1)))["errors"]
    assert error["message"].startswith("not a field here; accepted: analyte, value, unit, lln, uln")


def test_a_key_that_is_no_field_name_is_not_repeated(stateless: httpx.Client) -> None:
    (error,) = refused(stateless, panel(value(**{_SECRET + " ": 1})))["errors"]
    assert error["loc"] == ["results", 0, "…"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "cannot be accepted"),
        (b"null", 422, "cannot be accepted"),
        (b"[]", 422, "cannot be accepted"),
        (b'{"results": [', 400, "not JSON (line 1, column 14"),
        (b'{"results": [{"analyte": "ALT", "value": NaN}]}', 400, "NaN and Infinity"),
        (b'{"results": [{"analyte": "ALT", "value": -Infinity}]}', 400, "NaN and Infinity"),
        (b'{"results": [{"analyte": "ALT", "value": 1e400}]}', 422, "cannot be accepted"),
        (b'{"results": [{"analyte": "ALT", "value": 1e9999999999999999999}]}', 422, "a number"),
        (b'{"results": [{"analyte": "ALT", "value": 1e-9999999999999999999}]}', 422, "a number"),
        (b'{"results": [], "x": ' + b"9" * 5000 + b"}", 422, "cannot be accepted"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"a":' * 100_000, 400, "nested too deeply"),
        (b'{"results": [], "results": ' + b"[" * 500 + b"]" * 500 + b"}", 422, "twice"),
        (b'{"results": ["\xff"]}', 400, "not UTF-8"),
        (b" " * 9_000_000, 413, "longer than 8388608 bytes"),
    ],
)
def test_a_body_that_cannot_be_read(
    stateless: httpx.Client, body: bytes, status: int, says: str
) -> None:
    assert says in refused(stateless, body, status)["detail"]


def test_a_key_sent_twice_is_refused_where_it_is(stateless: httpx.Client) -> None:
    body = b'{"results": [{"analyte": "ALT"}, {"analyte": "ALT", "value": 1, "value": 900}]}'
    (error,) = refused(stateless, body)["errors"]
    assert (error["loc"], error["code"]) == (["results", 1, "value"], "duplicate-key")


def test_a_number_beyond_all_is_refused_where_it_is(stateless: httpx.Client) -> None:
    body = b'{"results": [{"analyte": "ALT", "value": 1}, {"value": 1e9999999999999999999}]}'
    (error,) = refused(stateless, body)["errors"]
    assert (error["loc"], error["code"]) == (["results", 1, "value"], "unreadable-number")


def _doubled(keys: int) -> bytes:
    """One object of so many keys, each there twice."""
    pairs = ",".join(f'"{key}": 1' for key in [*range(keys), *range(keys)])
    return f'{{"results": [{{{pairs}}}]}}'.encode()


def _each_doubled(objects: int) -> bytes:
    return f'{{"results": [{",".join([_OBJECT] * objects)}]}}'.encode()


_OBJECT = '{"value": 1, "value": 2}'


@pytest.mark.parametrize("document", [_doubled, _each_doubled])
def test_doubled_keys_are_found_in_time_that_grows_as_the_body(
    document: Callable[[int], bytes],
) -> None:
    def seconds(size: int) -> float:
        body, took = document(size), []
        for _ in range(3):
            began = time.thread_time()
            with pytest.raises(BodyProblem) as refusal:
                read_json(body)
            took.append(time.thread_time() - began)
        assert 1 <= len(refusal.value.faults) <= 20
        return min(took)

    assert seconds(80_000) < 80 * seconds(5_000)  # If it grew as the square: 256 times.


def test_a_byte_order_mark_is_no_error(stateless: httpx.Client) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(panel()).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert stateless.post("/v1/grade", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_another_content_type_is_refused(stateless: httpx.Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = stateless.post("/v1/grade", content=json.dumps(panel()), headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_a_compressed_body_is_refused(stateless: httpx.Client) -> None:
    """What it would grow to, nobody knows before."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(panel()).encode())
    answer = stateless.post("/v1/grade", content=body, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (
        415, "expected a body without Content-Encoding"
    )  # fmt: skip


def test_a_baseline_after_the_start_is_refused(stateless: httpx.Client) -> None:
    late = baseline(collected="2011-01-25")
    (error,) = refused(stateless, panel(baseline=[late]))["errors"]
    assert (error["loc"], error["code"]) == (["baseline", 0, "collected"], "baseline-after-start")


def test_one_result_with_two_contents_is_refused(stateless: httpx.Client) -> None:
    (error,) = refused(stateless, panel(value(), value(value="1.9")))["errors"]
    assert (error["loc"], error["code"]) == (["results", 1], "two-contents")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/grade", 405),
        ("GET", "/v1/studies/nowhere/patients", 404),
        ("GET", "/v1/studies/default/patients/nobody/grades", 404),
        ("GET", "/v1/studies/default/patients/nobody/toxicity", 404),
        ("GET", "/v1/studies/default/patients/P%201/grades", 422),
        ("GET", "/v1/studies/default/patients/P%00/grades", 422),
        ("GET", "/v1/studies/a%2Fb/patients", 404),
        ("GET", "/v1/studies/default/patients?limit=0", 422),
        ("GET", "/v1/studies/default/patients?limit=1001", 422),
        ("GET", "/v1/studies/default/patients/nobody/grades?min_grade=6", 422),
        ("GET", "/v1/studies/default/patients/nobody/grades?phase=early", 422),
        ("GET", "/v1/studies/default/patients/nobody/grades?term=%00", 422),
        ("GET", f"{_GRADES}?as_of=0001-01-01T00:00:00%2B14:00", 422),
        ("GET", f"{_GRADES}?as_of=9999-12-31T23:59:59-14:00", 422),
        ("GET", "/v1/studies/default/audit?cursor=2147483648", 422),
        ("PUT", "/v1/studies/x%20y", 422),
    ],
)
def test_requests_that_lead_nowhere(
    stateless: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = stateless.request(method, path, json={} if method == "PUT" else None)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
