"""API keys, stored as a prefix and the SHA-256 of a 256-bit secret; who was accepted just now."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, delete, select

from toxgrade.errors import NotFound, RequestError, Unauthorized
from toxgrade.server.access import EVERY_STUDY, Caller, Role
from toxgrade.server.access.tokens import Token, Tokens
from toxgrade.server.records.db.append import append_now
from toxgrade.server.records.db.service_tables import (
    api_keys,
    key_revocations,
    key_studies,
    sessions,
)
from toxgrade.server.records.db.tables import studies
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.studies import find_study
from toxgrade.server.runtime import Runtime

ACCEPTED = "expected Authorization: Bearer with a key of `toxgrade keys create`"
REMEMBERED_SECONDS = 5.0
"""A process that has just accepted a key may go on accepting it so long after its revocation."""

_MANY_REMEMBERED = 10_000  # From so many remembered credentials on, expired ones are dropped.
_NO_SECRET = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored; ``revoked_at`` None: it counts."""

    id: int
    prefix: str
    label: str
    role: Role
    expires_at: datetime | None
    revoked_at: datetime | None


KEY_COLUMNS = (
    api_keys.c.id, api_keys.c.prefix, api_keys.c.label, api_keys.c.role, api_keys.c.expires_at,
    key_revocations.c.recorded_at.label("revoked_at"),
)  # fmt: skip
"""The columns of ``ApiKey``."""

_KEYS = select(*KEY_COLUMNS).outerjoin_from(api_keys, key_revocations)


def create_key(
    transaction: Transaction,
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
    runtime = transaction.runtime
    prefix, secret = runtime.random.randbytes(4).hex(), runtime.token(32)
    row = {
        "prefix": prefix,
        "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "label": label,
        "role": role,
        "created_at": runtime.now(),
        "expires_at": expires_at,
    }
    key_id = append_now(transaction, api_keys, row)
    for name in on:
        study = find_study(transaction.connection, name)
        append_now(transaction, key_studies, {"key_id": key_id, "study_id": study.id})
    return f"tox_{prefix}_{secret}"


def check_key(connection: Connection, presented: str, now: datetime) -> Caller:
    """Return the caller who presented this key.

    Raises:
        Unauthorized: there is no such key, or it was revoked or has expired.
    """
    return caller_of_key(connection, find_key(connection, presented), now)


def find_key(connection: Connection, presented: str) -> ApiKey:
    """Return the key that is presented, which may have expired.

    Raises:
        Unauthorized: there is no such key, or it was revoked.
    """
    kind, _, rest = presented.partition("_")
    prefix, _, secret = rest.partition("_")
    known = _valid(prefix).add_columns(api_keys.c.secret_sha256)
    row = connection.execute(known).first() if prefix.isalnum() else None
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    is_same = hmac.compare_digest(digest, row.secret_sha256 if row else _NO_SECRET)
    if row is None or not is_same or kind != "tox":
        raise Unauthorized(ACCEPTED)
    return ApiKey(*row[:-1])


def _valid(prefix: str) -> Select[tuple[object, ...]]:
    """Return a query for the key with this prefix that was not revoked."""
    return _KEYS.where(api_keys.c.prefix == prefix, key_revocations.c.id.is_(None))


def caller_of_key(connection: Connection, key: ApiKey, now: datetime) -> Caller:
    """Return the caller of a key that was not revoked, at the time ``now``.

    Raises:
        Unauthorized: it has expired.
    """
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthorized("this key has expired")
    names = _studies(connection, key.id) or [EVERY_STUDY] * (key.role == "admin")
    return Caller(f"key:{key.prefix} {key.label}", dict.fromkeys(names, key.role))


def list_keys(connection: Connection) -> list[tuple[ApiKey, list[str]]]:
    """Return every key, also revoked ones, in the order of creation, each with its studies."""
    found = [ApiKey(*row) for row in connection.execute(_KEYS.order_by(api_keys.c.id))]
    return [(key, _studies(connection, key.id)) for key in found]


def revoke_key(transaction: Transaction, prefix: str) -> int:
    """Revoke a key for good, and return the number of the pages' sessions that end with it.

    Raises:
        NotFound: no key that was not revoked has this prefix.
    """
    now = transaction.runtime.now()
    key_id = transaction.connection.scalar(_valid(prefix))
    if key_id is None:
        raise NotFound("no valid key has this prefix; `toxgrade keys list` shows them")
    append_now(transaction, key_revocations, {"key_id": key_id, "recorded_at": now})
    ended = delete(sessions).where(sessions.c.key_id == key_id, sessions.c.expires_at > now)
    return transaction.connection.execute(ended).rowcount


def _studies(connection: Connection, key_id: int) -> list[str]:
    names = select(studies.c.name).join(key_studies).where(key_studies.c.key_id == key_id)
    return list(connection.scalars(names.order_by(studies.c.name)))


class RecentCallers:
    """The callers whose credentials of one kind this process accepted a moment ago."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._callers: dict[bytes, tuple[Caller, float]] = {}

    def find(self, presented: str) -> Caller | None:
        """Return the caller who presented these credentials; None: check them."""
        found = self._callers.get(_digest(presented))
        return found[0] if found and self._now() < found[1] else None

    def was_good(self, presented: str) -> bool:
        """Return whether these credentials were accepted, some time ago."""
        return _digest(presented) in self._callers

    def add(self, presented: str, caller: Caller, expires: float) -> None:
        """Remember a caller for a moment, at most until ``expires`` (seconds since 1970)."""
        now = self._now()
        if len(self._callers) >= _MANY_REMEMBERED:
            self._callers = {d: e for d, e in self._callers.items() if e[1] > now}
        self._callers[_digest(presented)] = (caller, min(expires, now + REMEMBERED_SECONDS))

    def _now(self) -> float:
        return self._runtime.now().timestamp()

    def forget(self, presented: str) -> None:
        """Have these credentials checked the next time."""
        self._callers.pop(_digest(presented), None)


class Credentials:
    """The credentials that a process accepts: keys, and tokens of an issuer (None: keys only)."""

    def __init__(self, runtime: Runtime, tokens: Tokens | None = None) -> None:
        self._runtime, self._tokens = runtime, tokens
        self._recent = RecentCallers(runtime)

    def remembered(self, presented: str) -> Caller | None:
        """Return the caller if the credentials were checked a moment ago; None: check them."""
        return self._recent.find(presented)

    def was_good(self, presented: str) -> bool:
        """Return whether these credentials were checked and good, some time ago."""
        return self._recent.was_good(presented)

    def check_key(self, connection: Connection, presented: str) -> Caller:
        """Return the caller who presents this key, and remember them.

        Raises:
            Unauthorized: the key is not valid.
        """
        try:
            caller = check_key(connection, presented, self._runtime.now())
        except Unauthorized:
            self._recent.forget(presented)
            raise
        self._recent.add(presented, caller, float("inf"))
        return caller

    async def check_token(self, presented: str) -> Token:
        """Return the checked token with its caller, and remember them.

        Raises:
            Unauthorized: the token is not valid, or no issuer is set.
            Unavailable: the issuer's keys cannot be fetched.
        """
        if self._tokens is None:
            raise Unauthorized(ACCEPTED)
        token = await self._tokens.check(presented)
        self._recent.add(presented, token.caller, token.expires)
        return token


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "replace")).digest()
