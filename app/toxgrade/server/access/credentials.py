"""API keys, stored as a prefix and the SHA-256 of a 256-bit secret; and a cache of credentials."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from toxgrade.errors import NotFound, RequestError, Unauthorized
from toxgrade.server.access import EVERY_STUDY, Caller, Role
from toxgrade.server.access.tokens import Token, Tokens
from toxgrade.server.records.db.tables import api_keys, key_studies, studies
from toxgrade.server.records.studies import find_study

ACCEPTED = "expected Authorization: Bearer with a key of `toxgrade keys create`"
REMEMBERED_SECONDS = 5.0
"""A process that has just accepted a key may go on accepting it so long after its revocation."""

_MANY_REMEMBERED = 10_000  # From so many remembered credentials on, expired ones are dropped.
_NO_SECRET = hashlib.sha256(b"").hexdigest()


def create_key(
    connection: Connection,
    label: str,
    role: Role = "admin",
    on: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> str:
    """Create a key for its owner ``label``, and return its text, which is not stored.

    ``role`` holds for the studies ``on``; ``admin`` holds for all studies and names none.

    Raises:
        RequestError: the role names no studies, or ``admin`` names some.
        NotFound: there is no such study.
    """
    if (role == "admin") == bool(on):
        text = "the role admin is for all studies" if on else f"a {role} needs --study NAME"
        raise RequestError(text)
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    row = insert(api_keys).values(
        prefix=prefix,
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        label=label,
        role=role,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    key_id = connection.execute(row.returning(api_keys.c.id)).scalar_one()
    for name in on:
        study = find_study(connection, name)
        connection.execute(insert(key_studies).values(key_id=key_id, study_id=study.id))
    return f"tox_{prefix}_{secret}"


def check_key(connection: Connection, presented: str) -> Caller:
    """Return the caller who presented this key.

    Raises:
        Unauthorized: there is no such key, or it was revoked or has expired.
    """
    kind, _, rest = presented.partition("_")
    prefix, _, secret = rest.partition("_")
    known = select(api_keys).where(api_keys.c.prefix == prefix, api_keys.c.revoked_at.is_(None))
    row = connection.execute(known).first() if prefix.isalnum() else None
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    is_same = hmac.compare_digest(digest, row.secret_sha256 if row else _NO_SECRET)
    if row is None or not is_same or kind != "tox":
        raise Unauthorized(ACCEPTED)
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        raise Unauthorized("this key has expired")
    names = _studies(connection, row.id) or [EVERY_STUDY] * (row.role == "admin")
    return Caller(f"key:{prefix} {row.label}", dict.fromkeys(names, row.role))


def list_keys(connection: Connection) -> list[tuple[Row[Any], list[str]]]:
    """Return every key, also revoked ones, in the order of creation, each with its studies."""
    rows = connection.execute(select(api_keys).order_by(api_keys.c.id)).all()
    return [(row, _studies(connection, row.id)) for row in rows]


def revoke_key(connection: Connection, prefix: str) -> None:
    """Revoke a key for good.

    Raises:
        NotFound: no key that was not revoked has this prefix.
    """
    valid = (api_keys.c.prefix == prefix) & api_keys.c.revoked_at.is_(None)
    done = connection.execute(update(api_keys).where(valid).values(revoked_at=datetime.now(UTC)))
    if done.rowcount == 0:
        raise NotFound("no valid key has this prefix; `toxgrade keys list` shows them")


def _studies(connection: Connection, key_id: int) -> list[str]:
    names = select(studies.c.name).join(key_studies).where(key_studies.c.key_id == key_id)
    return list(connection.scalars(names.order_by(studies.c.name)))


class Credentials:
    """The credentials that a process accepts: keys, and tokens of an issuer (None: keys only)."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens
        self._remembered: dict[bytes, tuple[Caller, float]] = {}

    def remembered(self, presented: str) -> Caller | None:
        """Return the caller if the credentials were checked a moment ago; None: check them."""
        found = self._remembered.get(_digest(presented))
        return found[0] if found and time.time() < found[1] else None

    def was_good(self, presented: str) -> bool:
        """Return whether these credentials were checked and good, some time ago."""
        return _digest(presented) in self._remembered

    def check_key(self, connection: Connection, presented: str) -> Caller:
        """Return the caller who presents this key, and remember them.

        Raises:
            Unauthorized: the key is not valid.
        """
        try:
            caller = check_key(connection, presented)
        except Unauthorized:
            self._remembered.pop(_digest(presented), None)
            raise
        return self._remember(presented, caller, float("inf"))

    async def check_token(self, presented: str) -> Token:
        """Return the checked token with its caller, and remember them.

        Raises:
            Unauthorized: the token is not valid, or no issuer is set.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if self._tokens is None:
            raise Unauthorized(ACCEPTED)
        token = await self._tokens.check(presented)
        self._remember(presented, token.caller, token.expires)
        return token

    def _remember(self, presented: str, caller: Caller, expires: float) -> Caller:
        now = time.time()
        if len(self._remembered) >= _MANY_REMEMBERED:
            self._remembered = {d: e for d, e in self._remembered.items() if e[1] > now}
        self._remembered[_digest(presented)] = (caller, min(expires, now + REMEMBERED_SECONDS))
        return caller


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "replace")).digest()
