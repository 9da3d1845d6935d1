"""Who may do what: the roles as a table, and every route with every kind of credential."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, iter_route_contexts

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel
from toxgrade.errors import Forbidden, NotFound, RequestError
from toxgrade.grading.rules import Rules
from toxgrade.server.access import ROLES, Caller, Role
from toxgrade.server.access.credentials import create_key, list_keys, revoke_key
from toxgrade.server.http.authorization import RequireRole, declared_access, undeclared_routes
from toxgrade.server.main import create_app
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.studies import save_study
from toxgrade.server.settings import Settings


@pytest.mark.parametrize(
    ("held", "reads", "stores", "manages", "administers"),
    [
        ({"a": "reader"}, True, False, False, False),
        ({"a": "writer"}, True, True, False, False),
        ({"a": "manager"}, True, True, True, False),
        ({"*": "admin"}, True, True, True, True),
        ({"a": "reader", "*": "writer"}, True, True, False, False),
    ],
)
def test_each_role_may_what_those_before_it_may(
    held: dict[str, Role], reads: bool, stores: bool, manages: bool, administers: bool
) -> None:
    caller = Caller("x", held)
    assert [caller.may(role, "a") for role in ROLES] == [reads, stores, manages, administers]


@pytest.mark.parametrize(
    ("held", "role", "study", "refused"),
    [
        ({"a": "reader"}, "reader", "a", None),
        ({"a": "reader"}, "writer", "a", Forbidden),
        ({"a": "manager"}, "reader", "b", NotFound),
        ({"a": "manager"}, "manager", "b", NotFound),
        ({"a": "reader"}, "reader", None, None),  # what is of no study: a role anywhere will do
        ({"a": "reader"}, "admin", None, Forbidden),
        ({}, "reader", None, Forbidden),
        ({"*": "admin"}, "admin", "any", None),
    ],
)
def test_what_is_not_theirs_is_not_there(
    held: dict[str, Role], role: Role, study: str | None, refused: type[Exception] | None
) -> None:
    if refused is None:
        Caller("x", held).require(role, study)
    else:
        with pytest.raises(refused):
            Caller("x", held).require(role, study)


@pytest.mark.parametrize(
    ("role", "on", "wrong"),
    [
        ("reader", (), "a reader needs --study NAME"),
        ("manager", (), "a manager needs --study NAME"),
        ("admin", ("default",), "the role admin is for all studies"),
    ],
)
def test_a_key_has_a_role_and_its_studies(
    new_sqlite: NewDatabase, role: Role, on: tuple[str, ...], wrong: str
) -> None:
    with transaction(new_sqlite()) as opened, pytest.raises(RequestError, match=wrong):
        create_key(opened, "x", role, on)


@dataclass(frozen=True)
class _Guarded:
    """A service with studies ``mine`` and ``theirs``, each with a patient P1, and keys to it."""

    client: httpx.Client
    keys: dict[str, str]

    def ask(self, method: str, path: str, key: str, body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[key]}"} if key in self.keys else {}
        return self.client.request(method, path, json=body, headers=headers)


@pytest.fixture(scope="module")
def guarded(new_sqlite: NewDatabase) -> Iterator[_Guarded]:
    url = new_sqlite()
    with transaction(url) as opened:
        for name in ("mine", "theirs"):
            save_study(opened, name, Rules())
        keys: dict[str, str] = {
            role: create_key(opened, role, role, ["mine"]) for role in ROLES[:-1]
        }
        keys["admin"] = create_key(opened, "admin")
        keys["elsewhere"] = create_key(opened, "elsewhere", "manager", ["theirs"])
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        keys["expired"] = create_key(opened, "expired", expires_at=an_hour_ago)
        keys["revoked"] = create_key(opened, "revoked")
        keys["unknown"] = "tox_01234567_" + "x" * 43
        revoke_key(opened, list_keys(opened.read())[-1][0].prefix)
    with served(Settings(database_url=url)) as client:
        guarded = _Guarded(client, keys)
        for name in ("mine", "theirs"):
            path = f"/v1/studies/{name}/patients/P1/results"
            assert guarded.ask("POST", path, "admin", panel()).status_code == 201
        yield guarded


def routes_in_need() -> list[tuple[str, str, Role]]:
    """Every route that asks for a role, with ids filled in that are there."""
    app = create_app(Settings(auth="off"))
    filled = {"study": "mine", "patient": "P1"}
    return [
        (method, (context.path or "").format_map(_Filled(filled)), declared.role)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute)
        if isinstance(declared := declared_access(context.original_route.dependencies), RequireRole)
        for method in sorted(context.original_route.methods or ())
    ]


class _Filled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "1"


@pytest.mark.parametrize("credential", ["none", "unknown", "expired", "revoked"])
def test_without_valid_credentials_every_route_answers_401(
    guarded: _Guarded, credential: str
) -> None:
    for number, (method, path, _) in enumerate(routes_in_need()):
        guarded.client.headers["X-Forwarded-For"] = f"192.0.2.{number}"  # One address may try few.
        answer = guarded.ask(method, path, credential, {})
        assert answer.status_code == 401, f"{method} {path}"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "P1" not in answer.text


def test_other_studies_things_are_not_there(guarded: _Guarded) -> None:
    """The very answer that a study which nobody has gets: no one learns that it exists."""
    for method, path, _ in routes_in_need():
        if "/mine" in path:
            foreign = guarded.ask(method, path, "elsewhere", {})
            absent = guarded.ask(method, path.replace("/mine", "/nowhere"), "elsewhere", {})
            assert (foreign.status_code, foreign.text) == (404, absent.text), f"{method} {path}"


def test_the_study_of_the_path_is_what_counts(guarded: _Guarded) -> None:
    answer = guarded.ask("GET", "/v1/studies/theirs/patients/P1?study=mine", "manager")
    assert answer.status_code == 404
    answer = guarded.ask("GET", "/v1/studies/mine/patients/P1?study=theirs", "manager")
    assert answer.status_code == 422  # The caller is let in; the parameter is none of the route's.
    assert answer.json()["errors"][0]["code"] == "unknown-parameter"
    assert guarded.ask("GET", "/v1/studies/mine/patients/P1", "manager").status_code == 200


def test_a_lower_role_is_refused_on_every_route(guarded: _Guarded) -> None:
    for method, path, role in routes_in_need():
        for lower in ROLES[: ROLES.index(role)]:
            answer = guarded.ask(method, path, lower, {})
            assert answer.status_code == 403, f"{lower}: {method} {path}"
            assert role in answer.text
        answer = guarded.ask(method, path, role, {})
        assert answer.status_code not in (401, 403), f"{role}: {method} {path}"


def test_one_sees_one_s_own_studies(guarded: _Guarded) -> None:
    def seen(key: str) -> list[str]:
        studies = guarded.ask("GET", "/v1/studies", key).json()["studies"]
        return [study["study"] for study in studies]

    assert (seen("reader"), seen("elsewhere")) == (["mine"], ["theirs"])
    assert seen("admin") == ["default", "mine", "theirs"]


def test_only_an_admin_makes_a_study(guarded: _Guarded) -> None:
    assert guarded.ask("PUT", "/v1/studies/new", "manager", {}).status_code == 404
    assert guarded.ask("PUT", "/v1/studies/new", "admin", {}).status_code == 201
    assert guarded.ask("PUT", "/v1/studies/mine", "manager", {}).status_code == 200


def test_a_refused_body_is_not_read(guarded: _Guarded) -> None:
    """Access is checked first: who may not store learns nothing about what would be accepted."""
    for method, path, role in routes_in_need():
        if method in ("POST", "PUT", "DELETE"):
            answer = guarded.client.request(method, path, content=b"not json")
            assert answer.status_code == 401, f"{method} {path}"
        if method in ("POST", "PUT", "DELETE") and role != "reader":
            headers = {"Authorization": f"Bearer {guarded.keys['reader']}"}
            answer = guarded.client.request(method, path, content=b"not json", headers=headers)
            assert answer.status_code == 403, f"{method} {path}"


def test_a_route_that_declares_nothing_is_found() -> None:
    app, router = create_app(Settings(auth="off")), APIRouter(prefix="/v1")
    assert undeclared_routes(app) == []

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    app.include_router(router)
    assert undeclared_routes(app) == ["GET /v1/forgotten"]
