"""Canaries in every field of every route, valid and invalid: none comes out in logs, metrics or
error bodies.

The routes and their bodies are taken from the OpenAPI document, so that a new route is covered.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import NewDatabase, served
from toxgrade.server.settings import Settings

_NAME = "Zaphod4711"  # a valid pseudonym, term, unit, source_id
_NUMBER = "73.918273"  # a valid value
_CANARIES = (_NAME, _NUMBER, "918273")
_SPOILT = [_NAME, f"{_NAME} !", f"<{_NAME}>", _NUMBER]
_HEADERS = {
    "X-Request-ID": _NAME, "User-Agent": _NAME, "Cookie": f"a={_NAME}", "Referer": f"/{_NAME}",
    "X-Forwarded-For": _NAME, "Idempotency-Key": _NAME, "If-Match": f'"{_NAME}"',
}  # fmt: skip


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Content types and bodies: what the operation documents, with canaries in place of values."""
    content = operation.get("requestBody", {}).get("content", {})
    for media, described in content.items():
        examples = [example["value"] for example in described.get("examples", {}).values()]
        for example in [*examples, {}]:
            for spoilt in (_NAME, _NUMBER, {_NAME: _NUMBER}, [_NAME], float(_NUMBER)):
                yield media, json.dumps(_with(example, spoilt)).encode()
                if isinstance(example, dict):
                    yield media, json.dumps({**example, _NAME: spoilt}).encode()
                    for key in example:
                        yield media, json.dumps({**example, key: spoilt}).encode()
            yield media, json.dumps(example).encode()
        yield media, f'{{"{_NAME}": 1, "{_NAME}": "{_NUMBER}"}}'.encode()
        yield media, f'{{"results": [{{"value": {_NUMBER}, "{_NAME}'.encode()
        yield media, f"MSH|^~\\&|{_NAME}\rPID|||{_NAME}\rOBX|1|NM|{_NAME}||{_NUMBER}".encode()
        yield f"text/{_NAME}", _NAME.encode()
    if not content:
        yield "application/json", b""


def _with(example: Any, spoilt: Any) -> Any:
    """The example with every innermost value replaced."""
    if isinstance(example, dict):
        return {key: _with(value, spoilt) for key, value in example.items()}
    if isinstance(example, list):
        return [_with(value, spoilt) for value in example]
    return spoilt


def _paths(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """The path with canaries for its parameters, and with canaries in each of its queries."""
    parameters = operation.get("parameters", [])
    queries = [p["name"] for p in parameters if p["in"] == "query"]
    names = {p["name"]: quote(_NAME) for p in parameters if p["in"] == "path"}
    real = names | ({"study": "default"} if "study" in names else {})
    yield path.format(**real)
    for spoilt in _SPOILT:
        yield path.format(**dict.fromkeys(names, quote(spoilt, safe="")))
        yield path.format(**real) + "?" + "&".join(f"{n}={quote(spoilt)}" for n in queries)
        yield path.format(**real) + f"?{quote(spoilt)}={quote(spoilt)}"


@pytest.mark.parametrize("auth", ["off", "on"])
def test_no_canary_comes_out(
    new_sqlite: NewDatabase, capfd: pytest.CaptureFixture[str], auth: Any
) -> None:
    sent, statuses = 0, set()
    with served(Settings(database_url=new_sqlite(), auth=auth)) as client:
        for path, operations in client.get("/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                for answer in _answers(client, method, path, operation):
                    sent += 1
                    statuses.add(answer.status_code)
                    if answer.status_code >= 400:
                        assert not _found(answer.text), f"{method} {path}: {answer.text}"
        metrics = client.get("/metrics").text
    captured = capfd.readouterr()
    assert sent > 300
    assert max(statuses) < 500
    assert not _found(metrics)
    assert captured.err.count('"event":"request"') >= sent
    assert not _found(captured.err + captured.out)


def _answers(
    client: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> Iterator[httpx.Response]:
    paths, bodies = list(_paths(path, operation)), list(_bodies(operation))
    for target in paths:
        media, body = bodies[-1]
        yield _send(client, method, target, media, body, _HEADERS)
    for media, body in bodies:
        yield _send(client, method, paths[0], media, body, {"Authorization": f"Bearer {_NAME}"})


def _send(
    client: httpx.Client, method: str, path: str, media: str, body: bytes, headers: dict[str, str]
) -> httpx.Response:
    given = {"Content-Type": media} | headers
    return client.request(method, path, content=body, headers=given)


def _found(text: str) -> list[str]:
    return [canary for canary in _CANARIES if canary.casefold() in text.casefold()]


def test_an_unforeseen_error_is_logged_by_its_place_alone(
    new_sqlite: NewDatabase, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(_NAME)

    monkeypatch.setattr("toxgrade.server.api.grading.refuse_contradictions", fail)
    with served(Settings(database_url=new_sqlite(), auth="off")) as client:
        body = {"results": [{"analyte": "ALT", "value": _NUMBER}]}
        answer = client.post("/v1/grade", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (500, "unforeseen error; it is logged")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (error,) = [line for line in lines if line["event"] == "unforeseen error"]
    assert error["error"] == "KeyError"
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert "toxgrade/server/api/grading.py" in error["places"]
    assert not _found(json.dumps(lines))
