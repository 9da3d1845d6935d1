"""HTTP calls to another system with retries and limits, and its access tokens (SMART backend)."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from toxgrade.errors import RequestError, SourceError
from toxgrade.server.http.body import BodyProblem, read_json

_ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTED_SECONDS = 240  # The guide allows five minutes.
_RENEW_SECONDS = 30.0  # The next token is fetched this long before the old one expires.
_RETRY_STATUSES = (429, 502, 503, 504)
"""Statuses after which the same call may succeed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take.

    A call is tried ``attempts`` times. Between attempts it waits for as long as the server says, or
    for ``first_wait`` seconds, doubled each time and randomised so that callers do not return
    together. A call that would have to wait longer than ``longest_wait`` seconds fails.
    """

    answer_bytes: int = 32 * 1024 * 1024
    silence_seconds: float = 30
    answer_seconds: float = 120
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 120


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer: its status, and its body if the status is 200 (else empty)."""

    status: int
    body: bytes


class Calls:
    """An HTTP client that repeats calls and does not follow redirects."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Answers are not compressed, so that their limit of bytes limits memory, too.
        self._client = httpx.Client(
            timeout=httpx.Timeout(limits.silence_seconds, connect=10),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, build: Callable[[], httpx.Request]) -> HttpAnswer:
        """Return the answer to the request that ``build`` makes anew for each attempt.

        Raises:
            SourceError: no answer after all attempts, a wait or answer too long, or a redirect.
        """
        cause = ""
        for attempt in range(self._limits.attempts):
            wait = self._limits.first_wait * 2**attempt * random.uniform(0.5, 1.5)
            try:
                answer, retry_after = self._attempt(build())
            except httpx.TransportError as error:
                cause = type(error).__name__
            else:
                if answer.status not in _RETRY_STATUSES:
                    return answer
                cause = f"status {answer.status}"
                wait = wait if retry_after is None else retry_after + random.uniform(0, 0.1)
            if wait > self._limits.longest_wait:
                raise SourceError(f"the server asks to come again in {wait:.0f} s")
            if attempt + 1 < self._limits.attempts:
                time.sleep(wait)
        raise SourceError(f"no answer after {self._limits.attempts} attempts ({cause})")

    def _attempt(self, request: httpx.Request) -> tuple[HttpAnswer, float | None]:
        """Return an answer, and the seconds to wait before the next attempt, if it says so."""
        limits = self._limits
        deadline = time.monotonic() + limits.answer_seconds
        answer = self._client.send(request, stream=True)
        try:
            if answer.is_redirect:
                raise SourceError("the server redirects: give the address it leads to")
            if answer.status_code != 200:
                return HttpAnswer(answer.status_code, b""), _parse_retry_after(
                    answer.headers.get("retry-after")
                )
            body = bytearray()
            for piece in answer.iter_raw():
                body += piece
                if len(body) > limits.answer_bytes:
                    raise SourceError(f"an answer is longer than {limits.answer_bytes} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer as a whole")
            return HttpAnswer(200, bytes(body)), None
        finally:
            answer.close()


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer, read as strictly as what callers send to us.

    Raises:
        SourceError: the answer is not a JSON object.
    """
    try:
        found = read_json(body)
    except BodyProblem as problem:
        raise SourceError(f"an answer cannot be read: {problem.detail}") from None
    if not isinstance(found, dict):
        raise SourceError("an answer cannot be read: it is not a JSON object")
    return found


def _parse_retry_after(retry_after: str | None) -> float | None:
    """Parse seconds, given as a number or as a date (RFC 9110, 10.2.3); None where not given."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def scope(permission: str) -> str:
    """Return the scopes that a pull needs; ``permission``: ``rs``, or ``read`` in SMART 1."""
    return " ".join(
        f"system/{kind}.{permission}" for kind in ("Observation", "Patient", "Procedure")
    )


def read_key(path: Path) -> Key:
    """Read a private key from a JWK file: RSA, or EC on P-384, with its registered ``kid``.

    Raises:
        RequestError: the file holds no such key.
    """
    try:
        key = import_key(read_object(path.read_bytes()))
        curve_fits = key.key_type == "RSA" or key.get("crv") == "P-384"
        if key.is_private and key.key_type in _ALGORITHMS and curve_fits and key.get("kid"):
            return key
    except (OSError, JoseError, SourceError, ValueError, TypeError):
        pass
    text = "expected a private JWK with kid: RSA, or EC on P-384 (RS384, ES384)"
    raise RequestError(f"--key: {text}")


class BackendToken:
    """A client's access token, fetched when it is needed and again before it expires."""

    def __init__(self, client_id: str, key: Key, token_url: str, scope: str, calls: Calls) -> None:
        self._client_id, self._key, self._url, self._calls = client_id, key, token_url, calls
        self._scope = scope
        self._token, self._expires = "", 0.0

    def current(self) -> str:
        """Return a token that is valid for a while.

        Raises:
            SourceError: the server gives none.
        """
        if time.monotonic() > self._expires - _RENEW_SECONDS:
            self._fetch()
        return self._token

    def renew(self) -> None:
        """Forget the token, because the server has refused it."""
        self._expires = 0.0

    def _fetch(self) -> None:
        answer = self._calls.call(self._request)
        if answer.status != 200:
            raise SourceError(f"the token endpoint answered {answer.status}")
        document = read_object(answer.body)
        token, seconds = document.get("access_token"), document.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise SourceError("the token endpoint gave no access_token with expires_in")
        self._token, self._expires = token, time.monotonic() + seconds

    def _request(self) -> httpx.Request:
        """Return a request that is signed anew, because an assertion is accepted only once."""
        now = int(time.time())
        header = {"alg": _ALGORITHMS[self._key.key_type], "kid": self._key.kid}
        claims = {
            "iss": self._client_id, "sub": self._client_id, "aud": self._url,
            "exp": now + _ASSERTED_SECONDS, "iat": now, "jti": uuid.uuid4().hex,
        }  # fmt: skip
        assertion = jwt.encode(header, claims, self._key, algorithms=list(_ALGORITHMS.values()))
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        return httpx.Request("POST", self._url, data=form, headers={"Accept": "application/json"})
