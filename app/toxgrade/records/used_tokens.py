"""Tokens that are accepted once: a copy is worth nothing, at whichever process it arrives."""

import hashlib
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, text

from toxgrade.errors import Unauthorized
from toxgrade.server.records.db.bookkeeping_tables import used_tokens as table


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
