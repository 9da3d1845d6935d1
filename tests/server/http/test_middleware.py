"""What surrounds every request: headers, its id, one line in the log, its metrics."""

import json
import re
from typing import Any

import httpx
import pytest
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Tracer, TracerProvider

from tests.server.api.panels import panel
from toxgrade.server.http.middleware import SECURITY

_UUID = "5fea0795-de66-43a7-8c27-93385791a02d"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/grade"), ("GET", "/livez"), ("GET", "/nowhere"), ("DELETE", "/v1/grade"),
     ("GET", "/openapi.json"), ("GET", "/metrics"), ("GET", "/docs")],
)  # fmt: skip
def test_every_answer_has_the_security_headers(
    stateless: httpx.Client, method: str, path: str
) -> None:
    headers = stateless.request(method, path, json={}).headers
    for name, value in SECURITY:
        if (path, name) != ("/docs", b"content-security-policy"):
            assert headers[name.decode()] == value.decode()
    assert "server" not in headers


def test_the_documentation_may_run_only_its_own_scripts(stateless: httpx.Client) -> None:
    policy = stateless.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'unsafe-inline'" in policy


@pytest.mark.parametrize("given", [_UUID, _UUID.replace("-", "")])
def test_a_proxy_s_request_id_is_kept_where_it_is_a_uuid(
    stateless: httpx.Client, given: str
) -> None:
    answer = stateless.get("/livez", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "Zaphod", "MRN-4711", "0" * 31, "g" * 32, f"{_UUID}\t1"])
def test_any_other_request_id_is_replaced(stateless: httpx.Client, given: str) -> None:
    answer = stateless.get("/livez", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_a_request_is_one_line_without_its_path(
    stateless: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = stateless.get("/v1/studies/default/patients/Zaphod/grades?term=Zaphod")
    line = _line(capsys, answer)
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "event": "request", "request_id": answer.headers["X-Request-ID"],
        "method": "GET", "route": "/v1/studies/{study}/patients/{patient}/grades", "status": 404,
    }  # fmt: skip


def _line(capsys: pytest.CaptureFixture[str], answer: httpx.Response) -> dict[str, Any]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    wanted = answer.headers["X-Request-ID"]
    (line,) = [line for line in lines if line.get("request_id") == wanted]
    found: dict[str, Any] = line
    return found


def test_no_tracer_of_the_process_is_told_of_requests(
    stateless: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI's own telemetry would send each path, with its pseudonym, to a collector."""
    begun: list[str] = []

    class Recorder(NoOpTracer):
        def start_span(self, name: str, *_: Any, **__: Any) -> Any:
            begun.append(name)
            return INVALID_SPAN

    class Provider(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Tracer:
            return Recorder()

    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", Provider)
    assert stateless.get("/v1/studies/default/patients/Zaphod/grades").status_code == 404
    assert stateless.post("/v1/grade", json={}).status_code == 422
    assert begun == []


def test_requests_are_counted_by_the_route_s_template(stateless: httpx.Client) -> None:
    def count() -> float:
        text = stateless.get("/metrics").text
        counted = 'method="POST",route="/v1/grade",status="200"'
        found = re.search(rf"^toxgrade_requests_total\{{{counted}\}} (.*)$", text, re.M)
        return float(found[1]) if found else 0

    before = count()
    for _ in range(3):
        assert stateless.post("/v1/grade", json=panel()).status_code == 200
    assert count() == before + 3


def test_paths_and_methods_that_nobody_serves_make_no_labels(stateless: httpx.Client) -> None:
    for i in range(3):
        stateless.get(f"/nowhere/{i}/Zaphod")
    stateless.request("PROPFIND", "/v1/grade")
    text = stateless.get("/metrics").text
    assert 'route="other",status="404"' in text
    assert 'method="other",route="/v1/grade",status="405"' in text
    assert "Zaphod" not in text
