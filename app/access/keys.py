"""API keys: a prefix to find one by and a 256-bit secret, of which only the SHA-256 is kept."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from app.errors import Unauthorized
from app.records.tables import api_keys

ADMIN = "admin"
"""The only role so far: may do everything."""

_NO_SECRET = hashlib.sha256(b"").hexdigest()


def create_key(connection: Connection, label: str) -> str:
    """Make a key for ``label`` (whose it is); the text returned is shown once and not kept."""
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    connection.execute(
        insert(api_keys).values(
            prefix=prefix,
            secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
            label=label,
            role=ADMIN,
            created_at=datetime.now(UTC),
        )
    )
    return f"tox_{prefix}_{secret}"


def check_key(connection: Connection, presented: str) -> str:
    """The label of the key that was presented.

    Raises:
        Unauthorized: there is no such key, or it was revoked.
    """
    kind, _, rest = presented.partition("_")
    prefix, _, secret = rest.partition("_")
    valid = (api_keys.c.prefix == prefix) & api_keys.c.revoked_at.is_(None)
    row = connection.execute(select(api_keys).where(valid)).first() if prefix.isalnum() else None
    digest = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
    same = hmac.compare_digest(digest, row.secret_sha256 if row else _NO_SECRET)
    if row is None or not same or kind != "tox":
        raise Unauthorized("expected Authorization: Bearer with a key of `toxgrade keys create`")
    return str(row.label)
