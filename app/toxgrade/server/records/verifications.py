"""When the audit was verified, and what was found: rows that the audit covers itself."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from toxgrade.server.records.db.append import append_now
from toxgrade.server.records.db.service_tables import verifications
from toxgrade.server.records.db.transaction import Transaction


def record_verification(transaction: Transaction, entries: int, faults: int) -> None:
    """Record that the audit was verified just now, and what was found."""
    row = {"entries": entries, "faults": faults, "recorded_at": transaction.runtime.now()}
    append_now(transaction, verifications, row)


def verified_at(connection: Connection) -> datetime | None:
    """Return when verification last found no fault; None: never."""
    whole = select(func.max(verifications.c.recorded_at)).where(verifications.c.faults == 0)
    latest: datetime | None = connection.scalar(whole)
    return latest
