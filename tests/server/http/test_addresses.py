"""Addresses that are not quite right: nothing is passed over, and the right one is named."""

from typing import Annotated

import httpx
import pytest
from fastapi import Query
from fastapi.routing import APIRoute, iter_route_contexts

from tests.conftest import served
from tests.server.api.panels import panel
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.addresses import declared_parameters
from toxgrade.server.http.json_route import JsonRoute
from toxgrade.server.main import create_app
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

_SECRET = "Zaphod-4711"
_STUDY = "/v1/studies/default"
_PATIENT = f"{_STUDY}/patients/P1"


def _routes() -> list[APIRoute]:
    contexts = iter_route_contexts(create_app(Settings(auth="off")).routes)
    return [r for each in contexts if isinstance(r := each.original_route, APIRoute)]


_UNDER_V1 = [
    (method, route.path)
    for route in _routes()
    if route.path.startswith("/v1/")
    for method in sorted(route.methods or ())
]


def _filled(path: str) -> str:
    return path.format(study="default", patient="P1", grade=1, batch="0" * 32)


@pytest.mark.parametrize(("method", "path"), _UNDER_V1)
def test_a_parameter_that_a_route_does_not_have_is_refused(
    stateless: httpx.Client, method: str, path: str
) -> None:
    answer = stateless.request(method, f"{_filled(path)}?min_grad=3&{_SECRET}=1")
    assert (answer.status_code, _SECRET in answer.text) == (422, False), answer.text
    found = [(fault["loc"], fault["code"]) for fault in answer.json()["errors"]]
    assert found == [(["query", name], "unknown-parameter") for name in ("min_grad", "…")]


def test_every_route_under_v1_is_of_the_class_that_refuses_them() -> None:
    assert len(_UNDER_V1) >= 30
    under_v1 = [route for route in _routes() if route.path.startswith("/v1/")]
    assert [route.path for route in under_v1 if not isinstance(route, JsonRoute)] == []


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        (f"{_PATIENT}/grades?termm=x",
         {"term", "phase", "min_grade", "include_superseded", "limit", "cursor", "as_of"}),
        (f"{_STUDY}/shift-table?term=Nausea&edition=5.0",
         {"term", "phase", "course", "on_treatment", "include_baseline", "attribution", "as_of"}),
        (f"{_STUDY}/time-to-grade?term=Nausea&grade=2&x=",
         {"term", "min_grade", "course", "attribution", "censor", "as_of"}),
        ("/v1/criteria/compare?from=4.03&to=5.0&too=6.0", {"from", "to"}),
    ],
)  # fmt: skip
def test_the_accepted_parameters_are_listed(
    stateless: httpx.Client, path: str, accepted: set[str]
) -> None:
    (fault,) = stateless.get(path).json()["errors"]
    told, _, listed = fault["message"].partition("accepted: ")
    assert (told, set(listed.split(", "))) == ("not a parameter here; ", accepted)


def test_a_route_without_parameters_says_so(stateless: httpx.Client) -> None:
    answer = stateless.post("/v1/grade?edition=5.0", json=panel())
    (fault,) = answer.json()["errors"]
    assert fault == {
        "loc": ["query", "edition"], "code": "unknown-parameter",
        "message": "not a parameter here; this path takes none",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{_STUDY}/patients?limit=1&limit=2", "limit"),
        (f"{_PATIENT}/grades?min_grade=2&min_grade=2", "min_grade"),
        (f"{_STUDY}/time-to-grade?term=Nausea&min_grade=1&grade=4", "min_grade"),
        (f"{_STUDY}/survival?as_of=2026-11-25T12:00:00Z&as_of=2020-01-01T00:00:00Z", "as_of"),
        ("/v1/criteria?edition=4.03&edition=5.0", "edition"),
    ],
)
def test_a_parameter_that_is_sent_twice_is_refused(
    stateless: httpx.Client, path: str, name: str
) -> None:
    answer = stateless.get(path)
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["loc"], fault["code"]) == (
        422, ["query", name], "given-twice"
    )  # fmt: skip


def test_a_list_may_be_sent_in_several_parameters() -> None:
    async def read(one: int, several: Annotated[list[str] | None, Query()] = None) -> None: ...

    declared = declared_parameters(APIRoute("/v1/x", read))
    assert {name: each.repeatable for name, each in declared.items()} == {
        "one": False, "several": True
    }  # fmt: skip


def test_an_address_full_of_parameters_gets_a_short_answer(stateless: httpx.Client) -> None:
    answer = stateless.get("/v1/studies?" + "&".join(f"x{i}" for i in range(5000)))
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 20)


@pytest.mark.parametrize("path", ["/livez?probe=1", "/readyz?x=1&x=2", "/?utm=1", "/sign-in?a=b",
                                  "/fhir/metadata?_format=json&_format=json"])  # fmt: skip
def test_doors_that_others_call_pass_over_parameters(stateless: httpx.Client, path: str) -> None:
    assert stateless.get(path).status_code == 200


@pytest.mark.parametrize("query", ["studdy=trial", "study=default&study=trial"])
def test_no_message_is_stored_in_another_study_by_a_slip(
    stateless: httpx.Client, query: str
) -> None:
    answer = stateless.post(f"/hl7v2?{query}", content=b"MSH|", headers={"Content-Type": ""})
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 1)


@pytest.mark.parametrize(
    ("method", "path", "nearest"),
    [
        ("POST", "/v1/grades", "/v1/grade"),
        ("POST", f"/v1/study/default/patient/{_SECRET}/result",
         "/v1/studies/{study}/patients/{patient}/results"),
        ("GET", f"/v1/studies/default/{_SECRET}/toxicity", "/v1/studies/{study}/toxicity-table"),
        ("GET", "/V1/Studies", "/v1/studies"),
        ("GET", "/v1/patients/P1/grades", "/v1/studies/{study}/patients/{patient}/grades"),
        ("POST", "/fhir/$ctcaegrade", "/fhir/$ctcae-grade"),
        ("POST", "/fhir", "/fhir/$ctcae-grade"),
        ("GET", "/fhir/metdata", "/fhir/metadata"),
        ("POST", "/hl7", "/hl7v2"),
    ],
)  # fmt: skip
def test_a_path_that_is_none_names_the_nearest(
    stateless: httpx.Client, method: str, path: str, nearest: str
) -> None:
    answer = stateless.request(method, path, json={})
    assert (answer.status_code, _SECRET in answer.text) == (404, False)
    is_fhir = path.startswith("/fhir")
    assert answer.headers["content-type"] == f"application/{'fhir' if is_fhir else 'problem'}+json"
    assert nearest in answer.text


@pytest.mark.parametrize("path", [f"/{_SECRET}", f"/v1/{_SECRET * 700}", "/v1/" + "x/" * 9000])
def test_a_path_like_no_other_is_answered_at_once(stateless: httpx.Client, path: str) -> None:
    answer = stateless.get(path)
    assert (answer.status_code, _SECRET in answer.text) == (404, False)
    assert answer.elapsed.total_seconds() < 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/grade", "OPTIONS, POST"),
        ("PATCH", _PATIENT, "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("DELETE", f"{_STUDY}/batches", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/v1/criteria/compare", "GET, HEAD, OPTIONS"),
        ("PUT", "/fhir/metadata", "GET, HEAD, OPTIONS"),
        ("POST", "/livez", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_take_names_those_that_it_takes(
    stateless: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = stateless.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert f"this path takes {allowed}" in answer.text
    asked = stateless.options(path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")


@pytest.mark.parametrize("path", ["/v1/studies", "/v1/analytes", "/livez", "/fhir/metadata", "/"])
def test_head_has_the_headers_of_get(stateless: httpx.Client, path: str) -> None:
    head, get = stateless.head(path), stateless.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


def test_a_page_refuses_a_method_as_a_page(stateless: httpx.Client) -> None:
    answer = stateless.post("/studies/default")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["content-type"].startswith("text/html")
    assert "style-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/grade"), ("GET", "/v1/studies"), ("POST", "/hl7v2"),
                         ("POST", "/cds-services/ctcae-labs"), ("PUT", f"{_PATIENT}")]
)  # fmt: skip
def test_a_slash_at_the_end_is_told_and_leads_nowhere_else(
    stateless: httpx.Client, method: str, path: str
) -> None:
    answer = stateless.request(method, f"{path}/", json=panel())
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert "has no slash at its end" in answer.text


def test_a_reader_with_a_slash_at_the_end_gets_the_page(stateless: httpx.Client) -> None:
    answer = stateless.get("/studies/default/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/studies/default")
    assert stateless.get("//evil.example/").headers.get("location") is None


def test_a_foreign_study_whose_name_cannot_be_is_told_as_one_that_is_not(database_url: str) -> None:
    """PostgreSQL takes no NUL, not even in the audit of a denial."""
    with transaction(database_url) as opened:
        key = create_key(opened, "reader", "reader", ["default"])
    with served(Settings(database_url=database_url)) as client:
        headers = {"Authorization": f"Bearer {key}"}
        answer = client.get("/v1/studies/a%00b/patients", headers=headers)
        assert answer.status_code == 404
        assert answer.text == client.get("/v1/studies/none/patients", headers=headers).text
