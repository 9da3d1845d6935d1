"""How a pull shows a server who it is: announced scopes, fixed tokens, no secret told."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conftest import NewDatabase
from tests.server.ehr import fhir_server as server
from tests.server.ehr.fhir_server import FhirServer
from tests.server.ehr.pulling import QUICK, grades, run
from toxgrade.errors import SourceError
from toxgrade.server.ehr.pull.authorization import BackendToken
from toxgrade.server.ehr.pull.fhir_server import read_base
from toxgrade.server.ehr.pull.http_client import Calls
from toxgrade.server.ehr.pull.smart import TokenEndpoint, find_token_endpoint
from toxgrade.server.runtime import MACHINE

_NAMED: Any = {"kid": "ours"}
_KEY = ECKey.generate_key("P-384", _NAMED)
_KINDS = ("Observation", "Patient", "Procedure")
_ONE = "patient,fhir_id\nP1,1\n"


def endpoint(told: FhirServer) -> TokenEndpoint:
    with closing(Calls(QUICK, MACHINE)) as calls:
        return find_token_endpoint(read_base(told.url), calls)


@pytest.mark.parametrize(
    ("announced", "permission"),
    [
        ({}, "rs"),
        ({"capabilities": []}, "rs"),
        ({"capabilities": ["permission-v1"]}, "read"),
        ({"capabilities": ["permission-v1", "permission-v2"]}, "rs"),
        ({"capabilities": ["permission-v2"]}, "rs"),
        # a server of SMART 1, which has no word for its version
        ({"capabilities": ["launch-ehr", "permission-patient"]}, "read"),
        ({"scopes_supported": ["openid", "system/*.read"]}, "read"),
        ({"scopes_supported": ["system/Observation.rs", "system/Patient.r"]}, "rs"),
        ({"scopes_supported": ["system/*.read", "system/*.rs"]}, "rs"),
        ({"scopes_supported": ["system/*.read"], "capabilities": ["permission-v2"]}, "read"),
        ({"scopes_supported": ["system/*.rs"], "capabilities": ["permission-v1"]}, "rs"),
        ({"scopes_supported": ["user/*.read", 7], "capabilities": ["permission-v2"]}, "rs"),
        ({"scopes_supported": "system/*.read", "capabilities": "permission-v1"}, "rs"),
    ],
)
def test_scopes_are_those_that_the_server_announces(
    ehr: FhirServer, announced: dict[str, Any], permission: str
) -> None:
    ehr.announced = announced
    found = endpoint(ehr)
    assert found.url == ehr.token_url
    assert found.scope == " ".join(f"system/{kind}.{permission}" for kind in _KINDS)


def statement(token: str, *capabilities: str) -> dict[str, Any]:
    """A CapabilityStatement as SMART 1 has it."""
    base = "http://fhir-registry.smarthealthit.org/StructureDefinition"
    urls = {"url": f"{base}/oauth-uris", "extension": [{"url": "token", "valueUri": token}]}
    able = [{"url": f"{base}/capabilities", "valueCode": one} for one in capabilities]
    return {"resourceType": "CapabilityStatement",
            "rest": [{"mode": "server", "security": {"extension": [urls, *able]}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("capabilities", "permission"), [((), "read"), (("permission-v1", "permission-v2"), "rs")]
)
@pytest.mark.parametrize("instead", [{"token_endpoint": None}, None])  # None: a page to sign in
def test_an_older_server_says_it_in_its_capability_statement(
    ehr: FhirServer, instead: dict[str, Any] | None, capabilities: tuple[str, ...], permission: str
) -> None:
    ehr.announced, ehr.statement = instead, statement(ehr.token_url, *capabilities)
    found = endpoint(ehr)
    assert (found.url, found.scope.endswith(permission)) == (ehr.token_url, True)


@pytest.mark.parametrize(
    "url", ["http://ehr.example/token", "https://[::1", "urn:uuid:1", "", 7, None]
)
def test_a_token_endpoint_that_cannot_be_used_is_refused(ehr: FhirServer, url: object) -> None:
    ehr.announced = {"token_endpoint": url}
    with pytest.raises(SourceError, match="names an https token endpoint"):
        endpoint(ehr)


def token(told: FhirServer) -> str:
    told.client_key = _KEY
    with closing(Calls(QUICK, MACHINE)) as calls:
        found = find_token_endpoint(read_base(told.url), calls)
        return BackendToken("toxgrade-at-hospital", _KEY, found, calls, MACHINE).header()


_ASKED = "asked for were system/Observation.rs system/Patient.rs system/Procedure.rs"


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (400, {"error": "invalid_scope", "error_description": "S3CRET"},
         f"answered 400 (invalid_scope): {_ASKED}, which the server must allow our client"),
        (401, {"error": "invalid_client"},
         "answered 401 (invalid_client): it does not know the client, or its key"),
        (400, {"error": "S3CRET"}, "the token endpoint answered 400"),
        (400, [1], "the token endpoint answered 400"),
        (302, {}, "the token endpoint answered 302"),
        (200, {"access_token": "x y", "expires_in": 300}, "gave no access_token with expires_in"),
        (200, {"access_token": "x", "expires_in": None}, "gave no access_token with expires_in"),
        (200, {"access_token": "x", "expires_in": 300, "scope": "system/Patient.rs"},
         f"grants no reading of Observation and Procedure: {_ASKED}"),
        (200, {"access_token": "x", "expires_in": 300, "scope": "system/*.r"},
         "grants no reading of Observation and Procedure"),
    ],
)  # fmt: skip
def test_who_gets_no_token_is_told_why(
    ehr: FhirServer, status: int, answer: object, said: str
) -> None:
    ehr.faults = [server.as_it_is, server.answering(answer, status)]
    with pytest.raises(SourceError) as error:
        token(ehr)
    assert said in str(error.value)
    assert "S3CRET" not in str(error.value)
    assert len(ehr.scopes) == 1  # It is not asked again in the other version.


@pytest.mark.parametrize(
    "granted",
    ["system/*.read", "system/*.cruds", "system/Patient.r system/Observation.rs?category=lab"
     " system/Procedure.rs", "user/*.rs", ""],
)  # fmt: skip
@pytest.mark.parametrize("seconds", [300, "300"])
def test_what_is_granted_otherwise_than_asked_may_be_enough(
    ehr: FhirServer, granted: str, seconds: object
) -> None:
    answer = {"access_token": "T0", "expires_in": seconds, "scope": granted}
    ehr.faults = [server.as_it_is, server.answering(answer)]
    assert token(ehr) == "Bearer T0"


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_token_is_had_by_a_signed_assertion_and_renewed(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, kind: str
) -> None:
    key = _KEY if kind == "EC" else RSAKey.generate_key(2048, _NAMED)
    (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
    ehr.client_key = key
    refused = server.answering({}, 401)  # the token was revoked meanwhile
    ehr.faults = [server.as_it_is, server.as_it_is, server.as_it_is, refused]
    url = new_sqlite()
    signed = ("--client-id", "toxgrade-at-hospital", "--key", "key.json")
    done = run(ehr, url, tmp_path, _ONE, *signed)
    assert done.returncode == 0, done.stderr
    assert len(ehr.tokens) == len(set(ehr.tokens)) == 2
    assert len(grades(url, "P1")) == 8


def test_a_key_that_is_none_is_refused(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    public = ECKey.generate_key("P-384", _NAMED).as_dict(private=False)
    small = ECKey.generate_key("P-256", _NAMED).as_dict(private=True)
    nameless = ECKey.generate_key("P-384").as_dict(private=True)
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "ours"}
    for key in (public, small, nameless, secret):
        (tmp_path / "key.json").write_text(json.dumps(key))
        signed = ("--client-id", "toxgrade-at-hospital", "--key", "key.json")
        done = run(ehr, new_sqlite(), tmp_path, "patient\n1\n", *signed)
        assert done.returncode == 2
        assert "--key: expected a private JWK with kid" in done.stderr
    assert "given together" in run(ehr, new_sqlite(), tmp_path, "patient\n1\n", *signed[:2]).stderr


_BEARER, _BASIC = "Bearer S3CRET.t0ken==", "Basic VG94OlMzQ1JFVDogw6Q="


@pytest.mark.parametrize(
    ("where", "content", "expected"),
    [
        ("--bearer", "S3CRET.t0ken==\n", _BEARER),
        ("--basic", "Tox:S3CRET: ä\r\n", _BASIC),
        ("TOXGRADE_PULL_BEARER", "S3CRET.t0ken==", _BEARER),
        ("TOXGRADE_PULL_BASIC", "Tox:S3CRET: ä", _BASIC),
    ],
)
def test_a_fixed_token_or_password_comes_from_a_file_or_the_environment(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    where: str, content: str, expected: str,
) -> None:  # fmt: skip
    url, ehr.expected, given = new_sqlite(), expected, [where, "secret"]
    if where.startswith("--"):
        (tmp_path / "secret").write_text(content, newline="")
    else:
        monkeypatch.setenv(where, content)
        given = []
    done = run(ehr, url, tmp_path, _ONE, *given)
    assert done.returncode == 0, done.stderr
    assert set(ehr.shown) == {expected}
    ehr.expected = "Bearer another"
    refused = run(ehr, url, tmp_path, _ONE, *given)
    assert refused.returncode == 1
    assert "line 2: the server answered 401: it does not accept who we say" in refused.stderr
    assert "S3CRET" not in done.stderr + refused.stderr


@pytest.mark.parametrize(
    ("given", "content", "said"),
    [
        (["--bearer", "S3CRET"], "x", "--bearer: expected a file that can be read"),  # no file
        (["--bearer", "secret"], "", "--bearer: expected a token, without spaces"),
        (["--bearer", "secret"], "Bearer S3CRET", "--bearer: expected a token, without spaces"),
        (["--bearer", "secret"], "S3CRET\n2", "--bearer: expected a token, without spaces"),
        (["--basic", "secret"], "S3CRET", "--basic: expected user:password"),
        (["--basic", "secret"], ":S3CRET", "--basic: expected user:password"),
        (["--basic", "secret", "--bearer", "secret"], "x:S3CRET",
         "give one of --bearer, --basic, and --client-id with --key"),
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_used_is_refused_and_not_repeated(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, given: list[str], content: str,
    said: str,
) -> None:  # fmt: skip
    (tmp_path / "secret").write_text(content)
    done = run(ehr, new_sqlite(), tmp_path, _ONE, *given)
    assert (done.returncode, done.stderr) == (2, f"toxgrade: {said}\n")
    assert ehr.asked == []


def test_the_secret_is_shown_to_no_other_server(
    ehr: FhirServer, new_sqlite: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("S3CRET")
    with server.fhir_server() as other:
        for away in (f"{other.url}/Procedure?page=2", f"//127.0.0.1:{other.port}/x"):
            ehr.faults = [server.as_it_is, server.answering(server.page(following=away))]
            done = run(ehr, new_sqlite(), tmp_path, _ONE, "--bearer", "secret")
            assert "line 2: the next page lies on another server" in done.stderr
        ehr.expected = "Bearer S3CRET"
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{other.port}")
        done = run(ehr, new_sqlite(), tmp_path, _ONE, "--bearer", "secret")
        assert done.returncode == 0, done.stderr
        moved = server.answering({}, 307, Location=f"{other.url}/Patient/1")
        ehr.faults = [moved]
        done = run(ehr, new_sqlite(), tmp_path, _ONE, "--bearer", "secret")
        assert "line 2: the server redirects: give the address it leads to" in done.stderr
    assert other.asked == []
