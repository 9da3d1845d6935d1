"""Checking credentials, and remembering for a moment those that were good."""

import hashlib
import time

from sqlalchemy import Connection

from toxgrade.access.callers import Caller
from toxgrade.access.keys import ACCEPTED, check_key
from toxgrade.access.tokens import Token, Tokens
from toxgrade.errors import Unauthorized

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
