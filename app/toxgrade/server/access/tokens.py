"""Tokens that are accepted once: a copy is worth nothing, at whichever process it arrives."""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anyio import to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from sqlalchemy import Connection, bindparam, delete, text

from toxgrade.errors import Unauthorized, Unavailable
from toxgrade.server.access import EVERY_STUDY, ROLES, Caller
from toxgrade.server.records.db.service_tables import used_tokens as table
from toxgrade.server.records.studies import STUDY_NAME


def use_token(connection: Connection, jti: str | None, expires: float) -> None:
    """Use up a token; it is remembered until it expires (seconds since 1970) by itself.

    Raises:
        Unauthorized: it has no ``jti``, or one that was used before.
    """
    connection.execute(delete(table).where(table.c.expires_at < datetime.now(UTC)))
    insert = text(
        "INSERT INTO used_tokens (jti_sha256, expires_at) VALUES (:jti_sha256, :expires_at)"
        " ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("expires_at", type_=table.c.expires_at.type))
    row = {
        "jti_sha256": hashlib.sha256((jti or "").encode("utf-8", "replace")).hexdigest(),
        "expires_at": datetime.fromtimestamp(expires, UTC),
    }
    if not jti or connection.execute(insert, row).rowcount != 1:
        raise Unauthorized("expected a token with a jti that was not used before")


ALGORITHMS = ("RS256", "RS384", "ES256", "ES384")
ROLES_CLAIM = "toxgrade_roles"
"""The claim with the roles by study: ``{"trial-1": "writer"}``; ``*`` stands for every study."""

KEYS_SECONDS = 600.0
"""So long published keys are used; when they cannot be fetched again, tokens are refused. Of half
that age they are fetched anew, while tokens go on being checked.
"""

_AGAIN_SECONDS = 10.0  # before keys are fetched again: for a ``kid`` nobody has, or in vain
_FETCH_SECONDS = 5.0
_LEEWAY = 30  # seconds that clocks may differ
_LONGEST_SUBJECT = 120
_REFUSED = "expected a valid token of the issuer that this service trusts"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are accepted, for which audience; ``fetch`` gets the JWKS as JSON, or raises
    ``OSError``.
    """

    name: str
    audience: str
    fetch: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Token:
    """A valid token: whose, until when (seconds since 1970), and its ``jti``; None: it has none."""

    caller: Caller
    expires: float
    jti: str | None


class _NoSuchKey(Exception):
    """The issuer has published no key of the name that a token gives."""


class Tokens:
    """Checks tokens of one issuer; keeps its keys for a while.

    Anybody can send a token that asks for the issuer's keys, and an issuer may not answer: who
    waits for it holds no thread, of which there are 40 for all who read. Sixty such tokens once
    kept everybody out.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys: dict[str, Key] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._claims = JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": issuer.name},
            aud={"essential": True, "value": issuer.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def check(self, presented: str) -> Token:
        """What a token says.

        Raises:
            Unauthorized: it is not valid; says nothing of what it holds.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if self._age() > KEYS_SECONDS / 2:  # early: an issuer that restarts is not missed
            self._ask()
        if self._age() > KEYS_SECONDS:
            await self._answer()
        if self._age() > KEYS_SECONDS:
            raise Unavailable("the issuer's keys cannot be fetched; try again later")
        try:
            return await to_thread.run_sync(self._read, presented)
        except _NoSuchKey:
            self._ask()
            await self._answer()
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
            until = float(token.claims["exp"]) + _LEEWAY
            return Token(_caller(token.claims), until, jti if isinstance(jti, str) else None)
        except (JoseError, ValueError, TypeError, KeyError):
            raise Unauthorized(_REFUSED) from None

    def _key(self, token: Any) -> Key:
        """The published key that the header names."""
        kid = token.headers().get("kid")
        if kid not in self._keys:
            raise _NoSuchKey
        return self._keys[kid]

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _ask(self) -> None:
        """Begin to fetch the keys, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._asked_at > _AGAIN_SECONDS:
            self._asked_at, self._asking = now, asyncio.create_task(self._fetch())

    async def _answer(self) -> None:
        if self._asking and not self._asking.done():
            await asyncio.shield(self._asking)

    async def _fetch(self) -> None:
        """The keys there are go on being good until their time is over, if no others come."""
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                published = json.loads(await self._issuer.fetch())
            signing = [
                key
                for key in published["keys"]
                if key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"
            ]
            found = KeySet.import_key_set({"keys": signing})
        except (OSError, JoseError, ValueError, TypeError, KeyError, AttributeError):
            return  # TimeoutError is an OSError
        self._keys = {key.kid: key for key in found.keys if key.kid}
        self._fetched_at = time.monotonic()


def _caller(claims: dict[str, Any]) -> Caller:
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
