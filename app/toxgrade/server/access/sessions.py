"""Sessions of the pages: a random token for the cookie, of which only the SHA-256 is stored.

A session is its key's or its issuer's token's: it has their caller, ends with them, and is of use
on pages only.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from toxgrade.errors import Unauthorized
from toxgrade.server.access import Caller
from toxgrade.server.access.credentials import (
    KEY_COLUMNS,
    ApiKey,
    RecentCallers,
    caller_of_key,
    find_key,
)
from toxgrade.server.access.tokens import LEEWAY, Token
from toxgrade.server.records.audit_kept import drop, keep
from toxgrade.server.records.db.service_tables import api_keys, key_revocations
from toxgrade.server.records.db.service_tables import sessions as table
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.runtime import Runtime

SESSION_SECONDS = 8 * 60 * 60
MAX_SESSIONS = 20
"""A key, or a subject of the issuer, has so many sessions at most; the oldest go."""

_WITH_KEY = (
    select(*KEY_COLUMNS, table.c.caller, table.c.expires_at.label("until"))
    .outerjoin_from(table, api_keys)
    .outerjoin(key_revocations, key_revocations.c.key_id == api_keys.c.id)
)
_ENDED = "this session has ended; sign in again"


class Sessions:
    """The sessions that a process accepts; ``issuer``: whose tokens it does (None: keys only)."""

    def __init__(self, runtime: Runtime, issuer: str | None = None) -> None:
        self._runtime, self._issuer = runtime, issuer
        self._recent = RecentCallers(runtime)

    def start_with_key(self, transaction: Transaction, presented: str) -> str:
        """Start a session of the key that is presented; return the session's token.

        Raises:
            Unauthorized: there is no such key, or it was revoked or has expired.
        """
        key = find_key(transaction.connection, presented)
        return _start(transaction, {"key_id": key.id}, key.expires_at)

    def start_with_token(self, transaction: Transaction, token: Token) -> str:
        """Start a session of a checked token, until that expires; return the session's token.

        Raises:
            Unauthorized: the token has expired, and is accepted only because clocks may differ.
        """
        caller = token.caller
        subject = json.dumps([self._issuer, caller.name])
        owner = {
            "subject_sha256": hashlib.sha256(subject.encode()).hexdigest(),
            "caller": json.dumps([self._issuer, caller.name, dict(caller.roles)]),
        }
        return _start(transaction, owner, datetime.fromtimestamp(token.expires - LEEWAY, UTC))

    def remembered(self, presented: str) -> Caller | None:
        """Return the caller if the session was checked a moment ago; None: check it."""
        return self._recent.find(presented)

    def was_good(self, presented: str) -> bool:
        """Return whether the session was accepted, some time ago."""
        return self._recent.was_good(presented)

    def check(self, connection: Connection, presented: str) -> Caller:
        """Return the caller of a session, and remember them.

        Raises:
            Unauthorized: there is no such session, or it, its key or its issuer counts no more.
        """
        this = table.c.token_sha256 == _digest(presented)
        row, now = connection.execute(_WITH_KEY.where(this)).first(), self._runtime.now()
        if row is None or row.until <= now or row.revoked_at is not None:
            raise Unauthorized(_ENDED)
        if row.caller is None:
            caller = caller_of_key(connection, ApiKey(*row[:-2]), now)
        else:
            issuer, name, roles = json.loads(row.caller)
            if issuer != self._issuer:
                raise Unauthorized(_ENDED)
            caller = Caller(name, roles)
        self._recent.add(presented, caller, row.until.timestamp())
        return caller

    def end(self, transaction: Transaction, presented: str) -> None:
        """End a session for good; what is no session is no error."""
        self._recent.forget(presented)
        _delete(transaction, table.c.token_sha256 == _digest(presented))


def _start(transaction: Transaction, owner: Mapping[str, object], until: datetime | None) -> str:
    """Store a session of its owner, which ends at ``until`` at the latest; return its token.

    The owner's oldest sessions make room for it, and all that have expired are removed.
    """
    now = transaction.runtime.now()
    expires_at = min(filter(None, (now + timedelta(seconds=SESSION_SECONDS), until)))
    if expires_at <= now:
        raise Unauthorized(_ENDED)
    name = next(iter(owner))
    of_owner = table.c[name] == owner[name]
    newest = select(table.c.token_sha256).where(of_owner).order_by(table.c.started_at.desc())
    kept = table.c.token_sha256.in_(newest.limit(MAX_SESSIONS - 1))
    _delete(transaction, (table.c.expires_at <= now) | (of_owner & ~kept))
    token = transaction.runtime.token(32)
    row = {"token_sha256": _digest(token), "started_at": now, "expires_at": expires_at, **owner}
    transaction.connection.execute(insert(table).values(row))
    keep(transaction, table, row)
    return token


def _delete(transaction: Transaction, which: ColumnElement[bool]) -> None:
    """Delete sessions; the audit tells of it, so that none comes back."""
    gone = delete(table).where(which).returning(table.c.token_sha256)
    for token in transaction.connection.scalars(gone).all():
        drop(transaction, table, {"token_sha256": token})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
