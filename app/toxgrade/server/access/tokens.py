"""Tokens of an external issuer: checked against its published keys, and refused if used before."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from anyio import to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, Key, KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from sqlalchemy import bindparam, delete, text

from toxgrade.errors import Unauthorized, Unavailable
from toxgrade.server.access import EVERY_STUDY, ROLES, Caller
from toxgrade.server.records.audit_kept import keep
from toxgrade.server.records.db.service_tables import used_tokens as table
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import STUDY_NAME
from toxgrade.server.runtime import Runtime

ALGORITHMS = ("RS256", "RS384", "ES256", "ES384")
ROLES_CLAIM = "toxgrade_roles"
"""The claim with the roles by study: ``{"trial-1": "writer"}``; ``*`` stands for every study."""

KEYS_SECONDS = 600.0
"""Published keys are used for so long; if they cannot be fetched again by then, tokens are refused.
At half that age they are fetched again, while tokens are still checked with the old ones.
"""

LEEWAY = 30
"""Seconds that clocks may differ: a token is accepted for so long after its end."""

_RETRY_SECONDS = 10.0  # At least so long lies between two attempts to fetch the keys.
_FETCH_SECONDS = 5.0
_LONGEST_SUBJECT = 120
_REFUSED = "expected a valid token of the issuer that this service trusts"


def use_token(transaction: Transaction, jti: str | None, expires: float) -> None:
    """Record a token as used until ``expires`` (seconds since 1970), so that copies are refused.

    Raises:
        Unauthorized: it has no ``jti``, or one that was used before.
    """
    transaction.connection.execute(
        delete(table).where(table.c.expires_at < transaction.runtime.now())
    )
    insert = text(
        "INSERT INTO used_tokens (jti_sha256, expires_at) VALUES (:jti_sha256, :expires_at)"
        " ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("expires_at", type_=table.c.expires_at.type))
    row = {
        "jti_sha256": hashlib.sha256((jti or "").encode("utf-8", "replace")).hexdigest(),
        "expires_at": datetime.fromtimestamp(expires, UTC),
    }
    if not jti or transaction.connection.execute(insert, row).rowcount != 1:
        raise Unauthorized("expected a token with a jti that was not used before")
    keep(transaction, table, row)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A trusted issuer and its tokens' audience; ``fetch`` gets its JWKS or raises ``OSError``."""

    name: str
    audience: str
    fetch: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Token:
    """A valid token: caller, ``expires``, until when it is accepted, with ``LEEWAY`` (seconds since
    1970), and ``jti``; None: it has none.
    """

    caller: Caller
    expires: float
    jti: str | None


class _NoSuchKey(Exception):
    """The issuer has published no key with the ``kid`` of a token."""


class Tokens:
    """The tokens of one issuer, checked with its keys, which are cached for a while.

    Anybody can send a token that makes the service fetch keys, and the issuer may not answer. So
    the keys are fetched asynchronously: sixty such tokens once blocked all of the 40 threads that
    every reader shares.
    """

    def __init__(self, issuer: Issuer, runtime: Runtime) -> None:
        self._issuer, self._runtime = issuer, runtime
        self._keys: dict[str, Key] = {}
        self._fetched_at = self._requested_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._claims = JWTClaimsRegistry(
            now=lambda: int(runtime.now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer.name},
            aud={"essential": True, "value": issuer.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def check(self, presented: str) -> Token:
        """Check a token, and return it with its caller.

        Raises:
            Unauthorized: it is not valid; the error reveals nothing of its content.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if self._age() > KEYS_SECONDS / 2:  # early, so that an issuer may restart meanwhile
            self._start_fetch()
        if self._age() > KEYS_SECONDS:
            await self._wait_for_fetch()
        if self._age() > KEYS_SECONDS:
            raise Unavailable("the issuer's keys cannot be fetched; try again later")
        try:
            return await to_thread.run_sync(self._read, presented)
        except _NoSuchKey:
            self._start_fetch()
            await self._wait_for_fetch()
        try:
            return await to_thread.run_sync(self._read, presented)
        except _NoSuchKey:
            raise Unauthorized(_REFUSED) from None

    def _read(self, presented: str) -> Token:
        try:
            header = JWSRegistry(algorithms=list(ALGORITHMS))
            token = jwt.decode(presented, self._key, algorithms=ALGORITHMS, registry=header)
            self._claims.validate(token.claims)
            jti = token.claims.get("jti")
            until = float(token.claims["exp"]) + LEEWAY
            datetime.fromtimestamp(until, UTC)  # It is stored as one, and must be one.
            return Token(_caller(token.claims), until, jti if isinstance(jti, str) else None)
        except (
            JoseError, ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError
        ):  # fmt: skip
            raise Unauthorized(_REFUSED) from None

    def _key(self, token: GuestProtocol) -> Key:
        """Return the published key that the header names."""
        kid = token.headers().get("kid")
        if kid not in self._keys:
            raise _NoSuchKey
        return self._keys[kid]

    def _age(self) -> float:
        return self._runtime.monotonic() - self._fetched_at

    def _start_fetch(self) -> None:
        """Begin to fetch the keys, unless that was begun a moment ago."""
        now = self._runtime.monotonic()
        if now - self._requested_at > _RETRY_SECONDS:
            self._requested_at, self._fetching = now, asyncio.create_task(self._fetch())

    async def _wait_for_fetch(self) -> None:
        if self._fetching and not self._fetching.done():
            await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        """Fetch the keys; if that fails, the old ones are used until ``KEYS_SECONDS`` are over."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                published = json.loads(await self._issuer.fetch())
            signing = [
                key
                for key in published["keys"]
                if key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"
            ]
            found = KeySet.import_key_set({"keys": signing})
        except (
            OSError, JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError
        ):  # fmt: skip
            return  # A TimeoutError is an OSError too.
        self._keys = {key.kid: key for key in found.keys if key.kid}
        self._fetched_at = self._runtime.monotonic()


def _caller(claims: Mapping[str, object]) -> Caller:
    """Return the caller of a token; raise ValueError unless subject and roles are well-formed."""
    subject, roles = claims["sub"], claims.get(ROLES_CLAIM, {})
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise ValueError("sub")
    if not isinstance(roles, dict):
        raise ValueError(ROLES_CLAIM)
    for study, role in roles.items():
        if role not in ROLES or not (study == EVERY_STUDY or STUDY_NAME.fullmatch(study)):
            raise ValueError(ROLES_CLAIM)
        if role == "admin" and study != EVERY_STUDY:
            raise ValueError(ROLES_CLAIM)
    return Caller(f"token:{subject}", dict(roles))
