"""How we show a FHIR server who we are: a fixed token or password, or SMART Backend Services."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from toxgrade.errors import RequestError, SourceError
from toxgrade.server.ehr.pull.http_client import Calls, read_object
from toxgrade.server.ehr.pull.smart import TokenEndpoint, missing_kinds
from toxgrade.server.runtime import Runtime

_ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTED_SECONDS = 240  # The guide allows five minutes.
_RENEW_SECONDS = 30.0  # The next token is fetched this long before the old one expires.
_REFUSALS = {
    "invalid_client": "it does not know the client, or its key",
    "invalid_request": "it does not take the request",
    "invalid_grant": "it does not take the signed assertion",
    "unauthorized_client": "the client may not use this grant",
    "unsupported_grant_type": "it does not take client_credentials",
}
"""Errors of a token endpoint (RFC 6749, 5.2) that do not depend on the scopes."""


class Authorization(Protocol):
    """What is sent as ``Authorization``."""

    def header(self) -> str:
        """Return the header's value; raise SourceError if none is to be had."""

    def renew(self) -> bool:
        """Prepare another value, because the server has refused this one; False: there is none."""


class Fixed:
    """A token or password that the server's operator gave us; no other is to be had."""

    def __init__(self, header: str) -> None:
        self._header = header

    def header(self) -> str:
        return self._header

    def renew(self) -> bool:
        return False


def bearer(token: str, where: str) -> Fixed:
    """Return the authorization by a fixed token (RFC 6750, 2.1); ``where`` it is from.

    Raises:
        RequestError: it is none; the message does not repeat it.
    """
    if not _is_token(token):
        raise RequestError(f"{where}: expected a token, without spaces")
    return Fixed(f"Bearer {token}")


def basic(text: str, where: str) -> Fixed:
    """Return the authorization by ``user:password`` (RFC 7617); ``where`` it is from.

    Raises:
        RequestError: it is none; the message does not repeat it.
    """
    user, colon, _ = text.partition(":")
    if not user or not colon or not text.isprintable():
        raise RequestError(f"{where}: expected user:password")
    return Fixed(f"Basic {b64encode(text.encode()).decode()}")


def read_secret(path: Path, option: str, parse: Callable[[str, str], Fixed]) -> Fixed:
    """Return the authorization by the secret in the only line of a file.

    Raises:
        RequestError: there is no such file, or it holds something else. The file is not named,
            because who mistakes the option gives the secret itself.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise RequestError(f"{option}: expected a file that can be read") from None
    return parse(text.removesuffix("\n").removesuffix("\r"), option)


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def read_key(path: Path) -> Key:
    """Read a private key from a JWK file: RSA, or EC on P-384, with its registered ``kid``.

    Raises:
        RequestError: the file holds no such key.
    """
    try:
        key = import_key(cast("dict[str, str | list[str]]", read_object(path.read_bytes())))
        curve_fits = key.key_type == "RSA" or key.get("crv") == "P-384"
        if key.is_private and key.key_type in _ALGORITHMS and curve_fits and key.get("kid"):
            return key
    except (OSError, JoseError, SourceError, ValueError, TypeError):
        pass
    text = "expected a private JWK with kid: RSA, or EC on P-384 (RS384, ES384)"
    raise RequestError(f"--key: {text}")


class BackendToken:
    """A client's access token, fetched when it is needed and again before it expires."""

    def __init__(
        self, client_id: str, key: Key, endpoint: TokenEndpoint, calls: Calls, runtime: Runtime
    ) -> None:
        self._runtime = runtime
        self._client_id, self._key, self._endpoint, self._calls = client_id, key, endpoint, calls
        self._token, self._expires = "", 0.0

    def header(self) -> str:
        """Return a token that is valid for a while.

        Raises:
            SourceError: the server gives none, or one that does not allow what a pull reads.
        """
        if self._runtime.monotonic() > self._expires - _RENEW_SECONDS:
            self._fetch()
        return f"Bearer {self._token}"

    def renew(self) -> bool:
        self._expires = 0.0
        return True

    def _fetch(self) -> None:
        answer = self._calls.call(self._request)
        if answer.status != 200:
            raise SourceError(self._refusal(answer.status, answer.body))
        document = read_object(answer.body)
        token, seconds = document.get("access_token"), str(document.get("expires_in"))
        if not isinstance(token, str) or not _is_token(token) or not seconds.isdecimal():
            raise SourceError("the token endpoint gave no access_token with expires_in")
        if missing := missing_kinds(document.get("scope")):
            text = f"the token endpoint grants no reading of {' and '.join(missing)}"
            raise SourceError(f"{text}: {self._endpoint.asks}")
        self._token, self._expires = token, self._runtime.monotonic() + float(seconds)

    def _refusal(self, status: int, body: bytes) -> str:
        """Return why there is no token, by the code of the error alone: texts may hold anything."""
        try:
            code = read_object(body).get("error")
        except SourceError:
            code = None
        text = f"the token endpoint answered {status}"
        if code == "invalid_scope":
            return f"{text} (invalid_scope): {self._endpoint.asks}"
        why = _REFUSALS.get(str(code))
        return f"{text} ({code}): {why}" if why else text

    def _request(self) -> httpx.Request:
        """Return a request that is signed anew, because an assertion is accepted only once."""
        now, url = int(self._runtime.now().timestamp()), self._endpoint.url
        header = {"alg": _ALGORITHMS[self._key.key_type], "kid": self._key.kid}
        claims = {
            "iss": self._client_id, "sub": self._client_id, "aud": url,
            "exp": now + _ASSERTED_SECONDS, "iat": now, "jti": self._runtime.uuid().hex,
        }  # fmt: skip
        assertion = jwt.encode(header, claims, self._key, algorithms=list(_ALGORITHMS.values()))
        form = {
            "grant_type": "client_credentials",
            "scope": self._endpoint.scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        return httpx.Request("POST", url, data=form, headers={"Accept": "application/json"})
