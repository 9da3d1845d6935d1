"""SMART Backend Services (SMART App Launch 2.2.0): an access token for a signed assertion."""

import time
import uuid
from pathlib import Path

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from toxgrade.ehr.pull.calls import Calls, read_object
from toxgrade.errors import RequestError, SourceError

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
