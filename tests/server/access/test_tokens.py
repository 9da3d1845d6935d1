"""Tokens of an external issuer: one line per way in which one can be wrong."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from tests.conftest import NewDatabase, served
from tests.coroutines import awaited
from tests.runtimes import Moved
from tests.server.access.test_roles import routes_in_need
from toxgrade.errors import Unauthorized, Unavailable
from toxgrade.server.access.credentials import create_key
from toxgrade.server.access.tokens import KEYS_SECONDS, Issuer, Token, Tokens
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE, Runtime
from toxgrade.server.settings import Settings

_RSA = RSAKey.generate_key(2048, {"kid": "r1"})
_EC = ECKey.generate_key("P-256", {"kid": "e1"})
_EC384 = ECKey.generate_key("P-384", {"kid": "e2"})
_OTHER = RSAKey.generate_key(2048, {"kid": "r1"})
_PUBLISHED = json.dumps(KeySet([_RSA, _EC, _EC384]).as_dict(private=False)).encode()


def _claims(**changed: object) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "https://issuer.example", "aud": "toxgrade", "sub": "ehr-1", "iat": now,
        "exp": now + 300, "toxgrade_roles": {"default": "writer"},
    }  # fmt: skip
    return {name: v for name, v in (good | changed).items() if v is not None}


def _token(
    claims: dict[str, Any] | None = None, alg: str = "RS256", key: Key = _RSA, **header: object
) -> str:
    kid = header.pop("kid", key.kid)
    head = {"alg": alg, **({"kid": kid} if kid else {}), **header}
    return jwt.encode(head, claims or _claims(), key, algorithms=[alg])


def _tokens(fetch: Callable[[], bytes] = lambda: _PUBLISHED, runtime: Runtime = MACHINE) -> Tokens:
    async def published() -> bytes:
        return fetch()

    return Tokens(Issuer("https://issuer.example", "toxgrade", published), runtime)


def _check(tokens: Tokens, presented: str) -> Token:
    return awaited(tokens.check(presented))


@pytest.mark.parametrize(
    ("alg", "key"), [("RS256", _RSA), ("RS384", _RSA), ("ES256", _EC), ("ES384", _EC384)]
)
def test_a_good_token_says_who_and_what(alg: str, key: Key) -> None:
    token = _check(_tokens(), _token(alg=alg, key=key))
    assert (token.caller.name, dict(token.caller.roles)) == ("token:ehr-1", {"default": "writer"})
    assert token.expires > time.time()


def _unsigned(claims: dict[str, Any] | None = None) -> str:
    body = _token(claims).split(".")[1]
    return f"eyJhbGciOiJub25lIiwia2lkIjoicjEifQ.{body}."


def _by_public_key(claims: dict[str, Any] | None = None) -> str:
    """HS256 with the issuer's public key as the secret: the old confusion of algorithms."""
    body = _token(claims).split(".")[1]
    signed = b"eyJhbGciOiJIUzI1NiIsImtpZCI6InIxIn0." + body.encode()
    mac = hmac.digest(_RSA.as_pem(private=False), signed, "sha256")
    return f"{signed.decode()}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


_NOW = int(time.time())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(_unsigned(), id="alg none"),
        pytest.param(_by_public_key(), id="HS256 with the public key"),
        pytest.param(_token(key=_OTHER), id="another's key of the same name"),
        pytest.param(_token(alg="RS512"), id="an algorithm that is not accepted"),
        pytest.param(_token(kid="r9"), id="a key that nobody published"),
        pytest.param(_token(kid="../../etc/passwd"), id="a path as the key's name"),
        pytest.param(_token(kid=None), id="no key named"),
        pytest.param(_token(key=_OTHER, jwk=_OTHER.as_dict(private=False)), id="a key it brings"),
        pytest.param(_token(key=_OTHER, jku="https://evil.example/keys"), id="a key it points to"),
        pytest.param(_token(_claims(exp=_NOW - 60)), id="expired"),
        pytest.param(_token(_claims(exp=None)), id="without an end"),
        pytest.param(_token(_claims(exp="tomorrow")), id="an end that is no time"),
        pytest.param(_token(_claims(exp=10**18)), id="an end that no calendar has"),
        pytest.param(_token(_claims(exp=10**400)), id="an end that is no number of a computer"),
        pytest.param(_token(_claims(nbf=_NOW + 3600)), id="not yet"),
        pytest.param(_token(_claims(aud="another")), id="for another audience"),
        pytest.param(_token(_claims(aud=None)), id="for no audience"),
        pytest.param(_token(_claims(iss="https://evil.example")), id="of another issuer"),
        pytest.param(_token(_claims(iss=None)), id="of no issuer"),
        pytest.param(_token(_claims(sub=None)), id="of nobody"),
        pytest.param(_token(_claims(sub="")), id="of somebody without a name"),
        pytest.param(_token(_claims(sub="x" * 200)), id="of somebody too long"),
        pytest.param(_token(_claims(toxgrade_roles={"default": "root"})), id="no such role"),
        pytest.param(_token(_claims(toxgrade_roles={"default": "admin"})), id="admin of one study"),
        pytest.param(_token(_claims(toxgrade_roles={"a b": "writer"})), id="no study's name"),
        pytest.param(_token(_claims(toxgrade_roles=["writer"])), id="roles that are a list"),
        pytest.param(_token()[:-3] + "AAA", id="another signature"),
        pytest.param("a.b.c", id="not a token"),
        pytest.param("é.b.c", id="not ASCII"),
        pytest.param("", id="empty"),
    ],
)  # fmt: skip
def test_a_wrong_token_is_refused_without_saying_more(token: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        _check(_tokens(), token)
    assert str(refused.value) == "expected a valid token of the issuer that this service trusts"


def test_new_keys_are_fetched_and_old_ones_go() -> None:
    published, now = [_PUBLISHED], [1000.0]
    tokens = _tokens(lambda: published[0], Moved(seconds=now))
    _check(tokens, _token())
    new = RSAKey.generate_key(2048, {"kid": "r2"})
    published[0] = json.dumps(KeySet([new]).as_dict(private=False)).encode()
    now[0] += 11  # a name that is not known is asked for again, not more often
    _check(tokens, _token(key=new))
    with pytest.raises(Unauthorized):
        _check(tokens, _token())


def test_a_key_that_nobody_has_does_not_flood_the_issuer() -> None:
    fetched, now = list[float](), [1000.0]

    def fetch() -> bytes:
        fetched.append(now[0])
        return _PUBLISHED

    tokens = _tokens(fetch, Moved(seconds=now))
    for _ in range(25):  # one a second
        with pytest.raises(Unauthorized):
            _check(tokens, _token(kid="nobody's"))
        now[0] += 1
    assert fetched == [1000.0, 1011.0, 1022.0]


def test_without_the_issuer_s_keys_tokens_are_refused_in_time() -> None:
    up, now = [True], [1000.0]

    def fetch() -> bytes:
        if not up[0]:
            raise OSError("down")
        return _PUBLISHED

    tokens = _tokens(fetch, Moved(seconds=now))
    _check(tokens, _token())
    up[0] = False
    now[0] += KEYS_SECONDS - 1
    _check(tokens, _token())
    now[0] += 2
    with pytest.raises(Unavailable):
        _check(tokens, _token())
    up[0] = True
    with pytest.raises(Unavailable):  # it was asked a moment ago
        _check(tokens, _token())
    now[0] += 10
    _check(tokens, _token())


def test_an_issuer_that_was_away_for_a_while_was_not_missed() -> None:
    """Keys are fetched anew at half of their time, and tried again until they are there."""
    fetched, now = list[float](), [0.0]

    def fetch() -> bytes:
        fetched.append(now[0])
        if 300 < now[0] < 320:
            raise OSError("restarting")
        return _PUBLISHED

    tokens = _tokens(fetch, Moved(seconds=now))
    for now[0] in range(0, 1000, 5):
        _check(tokens, _token())
    assert fetched == [0, 305, 320, 625, 930]


def test_callers_that_come_together_wait_for_one_answer() -> None:
    fetched = list[int]()

    async def slowly() -> bytes:
        fetched.append(1)
        await asyncio.sleep(0.05)
        return _PUBLISHED

    async def together() -> list[Token]:
        tokens = Tokens(Issuer("https://issuer.example", "toxgrade", slowly), MACHINE)
        return await asyncio.gather(*(tokens.check(_token()) for _ in range(20)))

    assert len(awaited(together())) == 20
    assert fetched == [1]


def _trusting(database_url: str, folder: Path) -> Settings:
    """Settings of a service that accepts the issuer's tokens."""
    (folder / "keys.json").write_bytes(_PUBLISHED)
    return Settings(
        database_url=database_url, jwt_issuer="https://issuer.example", jwt_audience="toxgrade",
        jwt_keys=str(folder / "keys.json"), jwt_token_url="https://issuer.example/token",
    )  # fmt: skip


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_no_route_takes_a_forged_token(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """Each would be an admin's if it were genuine."""
    admin = _claims(toxgrade_roles={"*": "admin"})
    forged = {
        "alg none": _unsigned(admin),
        "HS256 with the public key": _by_public_key(admin),
        "another's key of the same name": _token(admin, key=_OTHER),
        "for another audience": _token(admin | {"aud": "another"}),
        "expired": _token(admin | {"exp": _NOW - 60}),
    }
    with served(_trusting(new_sqlite(), tmp_path)) as client:
        for number, (method, path, _) in enumerate(routes_in_need()):
            client.headers["X-Forwarded-For"] = f"192.0.2.{number}"  # One address may try few.
            for how, token in forged.items():
                answer = client.request(method, path, json={}, headers=_bearer(token))
                assert answer.status_code == 401, f"{method} {path}: {how}"
        good = client.get("/v1/studies", headers=_bearer(_token(admin)))
        assert good.status_code == 200


def test_cds_hooks_takes_a_token_once(database_url: str, tmp_path: Path) -> None:
    """Nor does another process on the same database; a key is accepted as often as it comes."""
    settings = _trusting(database_url, tmp_path)
    with served(settings) as one, served(settings) as two:

        def call(client: httpx.Client, token: str) -> int:
            path = "/cds-services/ctcae-labs"
            return client.post(path, json={}, headers=_bearer(token)).status_code

        token = _token(_claims(jti="1"))
        assert [call(client, token) for client in (one, one, two)] == [422, 401, 401]
        assert call(two, _token(_claims(jti="2"))) == 422
        assert call(two, _token()) == 401
        assert call(two, _token(_claims(jti=2))) == 401
        with transaction(database_url) as opened:
            key = create_key(opened, "ehr")
        assert [call(one, key), call(one, key)] == [422, 422]


def test_a_token_opens_what_its_roles_allow(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    with served(_trusting(new_sqlite(), tmp_path)) as client:

        def ask(token: str, path: str = "/v1/studies/default/patients") -> int:
            return client.get(path, headers=_bearer(token)).status_code

        good = _token()
        assert [ask(good), ask(good)] == [200, 200]
        assert ask(good, "/v1/studies/default/audit") == 403
        assert ask(_token(_claims(toxgrade_roles={"other": "manager"}))) == 404
        assert ask(_token(_claims(toxgrade_roles={"*": "reader"}))) == 200
        assert ask(_unsigned()) == 401
        assert client.get("/.well-known/smart-configuration").json()["token_endpoint"] == (
            "https://issuer.example/token"
        )


def test_an_issuer_is_set_whole_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="set together"):
        Settings(jwt_issuer="https://issuer.example")
    with pytest.raises(ValueError, match="https"):
        Settings(jwt_issuer="i", jwt_audience="a", jwt_keys="http://issuer.example/keys")


def test_an_issuer_that_does_not_answer_holds_up_nobody_with_a_key(
    new_sqlite: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens that ask for the issuer's keys need no right, and once took every thread there was."""
    asked, gone, url = threading.Event(), threading.Event(), new_sqlite()

    async def hang(_: str) -> bytes:
        asked.set()
        while not gone.is_set():
            await asyncio.sleep(0.01)
        raise OSError

    monkeypatch.setattr("toxgrade.server.main._fetch", hang)
    monkeypatch.setattr("toxgrade.server.access.tokens._FETCH_SECONDS", 60)
    with transaction(url) as opened:
        key = create_key(opened, "nurse")
    with served(_trusting(url, tmp_path)) as client, ThreadPoolExecutor(60) as pool:

        def ask() -> int:
            answer = httpx.get(
                f"{client.base_url}/v1/studies", headers=_bearer(_token()), timeout=30
            )
            return answer.status_code

        waiting = [pool.submit(ask) for _ in range(60)]
        assert asked.wait(10)
        assert client.get("/v1/studies", headers=_bearer(key)).status_code == 200
        assert not any(future.done() for future in waiting)
        gone.set()
        assert {future.result() for future in waiting} == {503}


def test_published_keys_that_are_nested_too_deep_are_none() -> None:
    with pytest.raises(Unavailable):
        _check(_tokens(lambda: b'{"keys":' + b"[" * 100_000), _token())
