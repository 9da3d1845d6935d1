"""What an error of the database means: that it cannot be used now, and why; or a faulty statement.

The texts are fixed: those of a driver can hold stored values.
"""

import sqlite3

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from toxgrade.errors import OutOfService, Unavailable

DAMAGED = "the database is damaged; restore a backup"
FULL = "the disk of the database is full"
NOT_MIGRATED = "the database is not migrated (toxgrade db upgrade)"
NO_RIGHTS = "the database's role lacks a right (toxgrade db grant)"
READ_ONLY = "the database takes no writes: it is read-only or a standby"

READ_ONLY_STATE = "25006"
"""PostgreSQL's SQLSTATE of a write where there is none."""
_UNREACHABLE = (InterfaceError, OperationalError, TimeoutError)
_OF_STATEMENTS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG}
_CROSSED = ("40P01", "40001", "23505")  # deadlock, serialization failure, added by both
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: "the disk of the database fails, or is full",
    sqlite3.SQLITE_BUSY: "another process holds the database",
}
_BY_SQLSTATE = {
    "XX001": DAMAGED, "XX002": DAMAGED, "53100": FULL, READ_ONLY_STATE: READ_ONLY,
    "42501": NO_RIGHTS,
    "42P01": NOT_MIGRATED, "42703": NOT_MIGRATED,  # no such table, no such column
}  # fmt: skip


def is_unavailable(error: Exception) -> bool:
    """Return whether the database cannot be used now; False: the statement is at fault, so that
    trying again would not help.
    """
    cause = getattr(error, "orig", None)
    if reason_of(cause) is not None:
        return True
    return isinstance(error, _UNREACHABLE) and _sqlite_code(cause) not in _OF_STATEMENTS


def is_crossed(error: Exception) -> bool:
    """Return whether PostgreSQL ended one of two transactions that crossed: it is tried again."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _CROSSED


def unavailable(error: Exception) -> Unavailable:
    """Return the error of Toxgrade's own for one of the database that cannot be used now."""
    why = reason_of(getattr(error, "orig", None))
    if why == DAMAGED:
        return OutOfService(DAMAGED)
    return Unavailable(why or f"the database cannot answer now ({type(error).__name__})")


def reason_of(cause: BaseException | None) -> str | None:
    """Return why the database cannot be used by the driver's own error; None: it does not say."""
    if isinstance(cause, sqlite3.Error):
        if str(cause).startswith(("no such table", "no such column")):
            return NOT_MIGRATED
        return _BY_SQLITE_CODE.get(_sqlite_code(cause) or 0)
    return _BY_SQLSTATE.get(getattr(cause, "sqlstate", None) or "")


def _sqlite_code(cause: BaseException | None) -> int | None:
    """Return the primary result code, the lowest byte of the extended one."""
    code = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
