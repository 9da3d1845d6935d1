"""Calls of another system: retried where that is safe, limited in time and size, not redirected."""

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

_AGAIN = (429, 502, 503, 504)
"""Answers after which the same call may succeed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take.

    A call is tried ``attempts`` times; between them the time that the server names, else
    ``first_wait`` seconds doubled each time, made uneven so that callers do not come back together.
    A server that names more than ``longest_wait`` is left for later.
    """

    answer_bytes: int = 32 * 1024 * 1024
    silence_seconds: float = 30
    answer_seconds: float = 120
    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 120


@dataclass(frozen=True, slots=True)
class Called:
    """An answer: its status, and its body where that is 200."""

    status: int
    body: bytes


class Calls:
    """Makes calls with one client; ``build`` makes each attempt's request anew."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Uncompressed: the limit of an answer then is one of memory, too.
        self._client = httpx.Client(
            timeout=httpx.Timeout(limits.silence_seconds, connect=10),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, build: Callable[[], httpx.Request]) -> Called:
        """The answer, whatever its status, unless that says to try again.

        Raises:
            SourceError: no answer after all attempts, one too long, or a redirect.
        """
        cause = ""
        for attempt in range(self._limits.attempts):
            wait = self._limits.first_wait * 2**attempt * random.uniform(0.5, 1.5)
            try:
                answer, named = self._once(build())
            except httpx.TransportError as error:
                cause = type(error).__name__
            else:
                if answer.status not in _AGAIN:
                    return answer
                cause = f"status {answer.status}"
                wait = wait if named is None else named + random.uniform(0, 0.1)
            if wait > self._limits.longest_wait:
                raise SourceError(f"the server asks to come again in {wait:.0f} s")
            if attempt + 1 < self._limits.attempts:
                time.sleep(wait)
        raise SourceError(f"no answer after {self._limits.attempts} attempts ({cause})")

    def _once(self, request: httpx.Request) -> tuple[Called, float | None]:
        """An answer, and the seconds after which to come again, where it says so."""
        limits = self._limits
        until = time.monotonic() + limits.answer_seconds
        answer = self._client.send(request, stream=True)
        try:
            if answer.is_redirect:
                raise SourceError("the server redirects: give the address it leads to")
            if answer.status_code != 200:
                return Called(answer.status_code, b""), _named(answer.headers.get("retry-after"))
            body = bytearray()
            for piece in answer.iter_raw():
                body += piece
                if len(body) > limits.answer_bytes:
                    raise SourceError(f"an answer is longer than {limits.answer_bytes} bytes")
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer as a whole")
            return Called(200, bytes(body)), None
        finally:
            answer.close()


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer, as strictly read as what callers send us.

    Raises:
        SourceError: it is none.
    """
    try:
        found = read_json(body)
    except BodyProblem as problem:
        raise SourceError(f"an answer cannot be read: {problem.detail}") from None
    if not isinstance(found, dict):
        raise SourceError("an answer cannot be read: it is not a JSON object")
    return found


def _named(retry_after: str | None) -> float | None:
    """Seconds from now, given as such or as a date (RFC 9110, 10.2.3); None: not said."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


_ALGORITHMS = {"RSA": "RS384", "EC": "ES384"}
_SCOPE = "system/Observation.rs system/Patient.rs system/Procedure.rs"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTED_SECONDS = 240  # the guide allows five minutes
_EARLY = 30.0  # seconds before a token's end at which the next one is fetched


def read_key(path: Path) -> Key:
    """A private key as a JWK: RSA, or EC on P-384; its ``kid`` is the one registered.

    Raises:
        RequestError: it is not one.
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
    """A client's access token, fetched when it is needed and again before it ends."""

    def __init__(self, client_id: str, key: Key, token_url: str, calls: Calls) -> None:
        self._client_id, self._key, self._url, self._calls = client_id, key, token_url, calls
        self._token, self._until = "", 0.0

    def current(self) -> str:
        """A token that holds for a while.

        Raises:
            SourceError: the server gives none.
        """
        if time.monotonic() > self._until - _EARLY:
            self._fetch()
        return self._token

    def renew(self) -> None:
        """Forget the token: the server has refused it."""
        self._until = 0.0

    def _fetch(self) -> None:
        answer = self._calls.call(self._request)
        if answer.status != 200:
            raise SourceError(f"the token endpoint answered {answer.status}")
        told = read_object(answer.body)
        token, lasting = told.get("access_token"), told.get("expires_in")
        if not isinstance(token, str) or not isinstance(lasting, int):
            raise SourceError("the token endpoint gave no access_token with expires_in")
        self._token, self._until = token, time.monotonic() + lasting

    def _request(self) -> httpx.Request:
        """Signed anew for each attempt: an assertion is taken once."""
        now = int(time.time())
        header = {"alg": _ALGORITHMS[self._key.key_type], "kid": self._key.kid}
        claims = {
            "iss": self._client_id, "sub": self._client_id, "aud": self._url,
            "exp": now + _ASSERTED_SECONDS, "iat": now, "jti": uuid.uuid4().hex,
        }  # fmt: skip
        assertion = jwt.encode(header, claims, self._key, algorithms=list(_ALGORITHMS.values()))
        form = {
            "grant_type": "client_credentials",
            "scope": _SCOPE,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
        return httpx.Request("POST", self._url, data=form, headers={"Accept": "application/json"})
