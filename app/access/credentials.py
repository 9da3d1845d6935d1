"""Checking credentials, and remembering for a moment those that were good."""

import hashlib
import time

from sqlalchemy import Connection

from app.access.callers import Caller
from app.access.keys import check_key

REMEMBERED_SECONDS = 5.0
"""How long a key that was revoked may still be accepted by a process that has just seen it."""


class Credentials:
    """Who presents what. Only good keys are remembered, so there are never more than keys."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[Caller, float]] = {}

    def remembered(self, presented: str) -> Caller | None:
        """The caller whose key was good a moment ago; None: it must be checked."""
        found = self._seen.get(_digest(presented))
        return found[0] if found and time.monotonic() < found[1] else None

    def check(self, connection: Connection, presented: str) -> Caller:
        """The caller who presents this.

        Raises:
            Unauthorized: it is not valid.
        """
        caller = check_key(connection, presented)
        self._seen[_digest(presented)] = (caller, time.monotonic() + REMEMBERED_SECONDS)
        return caller


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode("utf-8", "replace")).digest()
