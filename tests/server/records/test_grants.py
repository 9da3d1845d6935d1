"""The service under a PostgreSQL role of its own, which may add and never change."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import NewDatabase, served
from tests.server.api.panels import panel, value
from toxgrade.errors import RequestError
from toxgrade.server.access.credentials import create_key, list_keys, revoke_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import grant
from toxgrade.server.settings import Settings


@pytest.fixture
def as_service(new_postgresql: NewDatabase) -> str:
    url = new_postgresql()
    with transaction(url) as opened:
        made = "SELECT 1 FROM pg_roles WHERE rolname = 'toxgrade_service'"
        if opened.connection.scalar(text(made)) is None:
            opened.connection.execute(text("CREATE ROLE toxgrade_service LOGIN"))
        grant(opened.read(), "toxgrade_service")
    return url.replace("//toxgrade@", "//toxgrade_service@")


@pytest.mark.parametrize("table", ["results", "grades", "audit", "events", "erasures"])
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"]
)
def test_the_role_cannot_change_what_is_kept(as_service: str, table: str, change: str) -> None:
    with (
        pytest.raises(DBAPIError, match=r"permission denied|must be owner"),
        transaction(as_service) as opened,
    ):
        opened.connection.execute(text(change.format(table)))


def test_the_service_works_under_it(as_service: str) -> None:
    path = "/v1/studies/default/patients/P1"
    with served(Settings(database_url=as_service, auth="off")) as client:
        assert client.get("/readyz").status_code == 200
        assert client.put("/v1/studies/own", json={}).status_code == 201
        for sent in (value(), value(value="4.0")):
            assert client.post(f"{path}/results", json=panel(sent)).status_code == 201
        answer = client.put(path, json={"last_contact": "2012-01-01"})
        assert client.get(f"{path}/grades", params={"as_of": "2020-01-01Z"}).status_code == 422
        then = client.get(f"{path}/grades", params={"as_of": "2020-01-01T00:00:00Z"})
        assert then.status_code == 404
        headers = {"If-Match": answer.headers["ETag"]}
        why = {"reason": "request under article 17"}
        assert client.request("DELETE", path, json=why, headers=headers).status_code == 200


def test_people_sign_in_and_out_under_it(as_service: str) -> None:
    with transaction(as_service) as opened:
        keys = [create_key(opened, "x"), create_key(opened, "y")]
    with served(Settings(database_url=as_service)) as browser:
        for key in keys:  # the second ends the first's session
            assert browser.post("/sign-in", data={"key": key}).status_code == 303
            assert browser.get("/").status_code == 200
        assert browser.post("/sign-out").status_code == 303
        assert browser.post("/sign-in", data={"key": keys[0]}).status_code == 303
    with transaction(as_service) as opened:
        assert revoke_key(opened, list_keys(opened.read())[0][0].prefix) == 1


def test_a_name_that_is_no_role_is_refused(as_service: str, new_sqlite: NewDatabase) -> None:
    with (
        transaction(as_service) as opened,
        pytest.raises(RequestError, match="name of a role"),
    ):
        grant(opened.read(), "x; DROP TABLE grades")
    with transaction(new_sqlite()) as opened, pytest.raises(RequestError, match="SQLite"):
        grant(opened.read(), "x")


@pytest.mark.parametrize(
    "change",
    [
        "patients SET name = 'P2'",
        "patients SET id = id",
        "studies SET synthetic = true",
        "api_keys SET role = 'admin'",
        "key_studies SET study_id = 1",
        "batches SET upload_sha256 = 'x'",
        "batch_pieces SET rows = 0",
        "idempotency_keys SET caller = 'x'",
        "sessions SET key_id = 1",
        "used_tokens SET expires_at = now()",
        "pull_marks SET until = now()",
    ],
)
def test_the_role_can_change_nobodys_name_key_or_session(as_service: str, change: str) -> None:
    with transaction(as_service) as opened:
        patient = "INSERT INTO patients (study_id, name) SELECT id, 'P1' FROM studies"
        opened.connection.execute(text(patient))
    with (
        pytest.raises(DBAPIError, match=r"permission denied|only appended to"),
        transaction(as_service) as opened,
    ):
        opened.connection.execute(text(f"UPDATE {change}"))
