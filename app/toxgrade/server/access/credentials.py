"""API keys: a prefix to find one by and a 256-bit secret, of which only the SHA-256 is kept."""

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
_NO_SECRET = hashlib.sha256(b"").hexdigest()


def create_key(
    connection: Connection,
    label: str,
    role: Role = "admin",
    on: Sequence[str] = (),
    expires_at: datetime | None = None,
) -> str:
    """Make a key for ``label`` (whose it is); the text returned is shown once and not kept.

    ``role`` holds for the studies ``on``; ``admin`` holds for all and names none.

    Raises:
        RequestError: a role without studies, or ``admin`` with some.
        NotFound: no such study.
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
    """Whose key was presented, and what they may do.

    Raises:
        Unauthorized: there is no such key, or it was revoked or has expired.
    """
    kind, _, rest = presented.partition("_")
    prefix, _, secret = rest.partition("_")
    known = select(api_keys).where(api_keys.c.prefix == prefix, api_keys.c.revoked_at.is_(None))
    row = connection.execute(known).first() if prefix.isalnum() else None
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    same = hmac.compare_digest(digest, row.secret_sha256 if row else _NO_SECRET)
    if row is None or not same or kind != "tox":
        raise Unauthorized(ACCEPTED)
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        raise Unauthorized("this key has expired")
    names = _studies(connection, row.id) or [EVERY_STUDY] * (row.role == "admin")
    return Caller(f"key:{prefix} {row.label}", dict.fromkeys(names, row.role))


def list_keys(connection: Connection) -> list[tuple[Row[Any], list[str]]]:
    """Every key, revoked ones too, in the order they were made, each with its studies."""
    rows = connection.execute(select(api_keys).order_by(api_keys.c.id)).all()
    return [(row, _studies(connection, row.id)) for row in rows]


def revoke_key(connection: Connection, prefix: str) -> None:
    """End a key's validity; once revoked it stays so.

    Raises:
        NotFound: no key that is still valid has this prefix.
    """
    mine = (api_keys.c.prefix == prefix) & api_keys.c.revoked_at.is_(None)
    done = connection.execute(update(api_keys).where(mine).values(revoked_at=datetime.now(UTC)))
    if done.rowcount == 0:
        raise NotFound("no valid key has this prefix; `toxgrade keys list` shows them")


def _studies(connection: Connection, key_id: int) -> list[str]:
    mine = select(studies.c.name).join(key_studies).where(key_studies.c.key_id == key_id)
    return list(connection.scalars(mine.order_by(studies.c.name)))


REMEMBERED_SECONDS = 5.0
"""How long a key that was revoked may still be accepted by a process that has just seen it."""

_MANY = 10_000  # remembered credentials before those that are over are forgotten


class Credentials:
    """Who presents what: keys, and tokens where an issuer is set (None: keys only)."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens
        self._seen: dict[bytes, tuple[Caller, float]] = {}

    def remembered(self, presented: str) -> Caller | None:
        """The caller whose credentials were good a moment ago; None: they must be checked."""
        found = self._seen.get(_digest(presented))
        return found[0] if found and time.time() < found[1] else None

    def check_key(self, connection: Connection, presented: str) -> Caller:
        """The caller who presents this key.

        Raises:
            Unauthorized: it is not valid.
        """
        return self._remember(presented, check_key(connection, presented), float("inf"))

    async def check_token(self, presented: str) -> Token:
        """What this token says of who presents it.

        Raises:
            Unauthorized: it is not valid, or no issuer is set.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if self._tokens is None:
            raise Unauthorized(ACCEPTED)
        token = await self._tokens.check(presented)
        self._remember(presented, token.caller, token.expires)
        return token

    def _remember(self, presented: str, caller: Caller, expires: float) -> Caller:
        now = time.time()
        if len(self._seen) >= _MANY:
            self._seen = {seen: kept for seen, kept in self._seen.items() if kept[1] > now}
        self._seen[_digest(presented)] = (caller, min(expires, now + REMEMBERED_SECONDS))
        return caller


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "replace")).digest()
