"""The database engine and its transactions."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine import URL, make_url

from toxgrade.errors import Unavailable
from toxgrade.server.records.db.direct import run
from toxgrade.server.records.db.failures import READ_ONLY_STATE
from toxgrade.server.records.db.sqlite_file import SqliteFile

_BUSY_SECONDS = 10  # seconds that a SQLite connection waits for another process
_OLDEST_SQLITE = (3, 35, 0)  # the first with RETURNING; Python may be linked to an older one
_TIMEOUTS = {
    "tcp_user_timeout": "8000",  # ms
    "keepalives_idle": "4", "keepalives_interval": "2", "keepalives_count": "2",
}  # fmt: skip
"""Client and PostgreSQL drop a connection after 8 s without a sign of the other's host, unless the
URL says otherwise. The operating system itself waits a quarter of an hour, or two hours.
"""


def build_engine(url: str, *, new: bool = False) -> Engine:
    """Return an engine for ``sqlite:///…`` or ``postgresql+psycopg://…``, for concurrent writers.

    Its errors never contain a statement's parameters, which are patients' values. With ``new`` a
    missing SQLite file is created; else connecting to it fails, as to a missing server.

    Raises:
        Unavailable: Python's SQLite library is too old.
    """
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return _sqlite(parsed, new=new) if is_sqlite else _postgresql(parsed)


def _sqlite(url: URL, *, new: bool) -> Engine:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        text = f"SQLite {needed} or newer is needed; this Python has {sqlite3.sqlite_version}"
        raise Unavailable(text)
    engine = sqlalchemy.create_engine(
        url if new else _existing(url), connect_args={"isolation_level": None}, hide_parameters=True
    )
    event.listen(engine, "connect", _configure_sqlite)
    if url.database and "uri" not in url.query:
        SqliteFile(engine, Path(url.database).absolute())
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    # From a database in SQL_ASCII the driver would otherwise return bytes.
    defaults = {"client_encoding": "utf8", "connect_timeout": "5", **_TIMEOUTS}
    engine = sqlalchemy.create_engine(
        url.set(query={**defaults, **url.query}),
        pool_pre_ping=True,
        pool_size=10,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure_postgresql)
    event.listen(engine, "handle_error", _leave_read_only_sessions)
    return engine


def _leave_read_only_sessions(context: ExceptionContext) -> None:
    """Let the pool connect anew: whether it is read-only a session keeps from its beginning."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY_STATE:
        context.is_disconnect = True


def _configure_postgresql(connection: Any, _record: object) -> None:
    """Set the options of the session that this code relies on, whatever the server's defaults are.

    The driver reads dates of this style only, and a statement that waited for a lock must see what
    was committed meanwhile. The server must drop a dead client as soon as the client drops a dead
    server: its patients, and the audit of their studies, would else stay locked for two hours.
    Without statistics the planner expects a few rows where there are 100,000; what it materialises
    for those it compares with every row. Without that choice it searches an index or hashes.
    """
    given = connection.info.get_parameters()
    timeouts = [f"tcp_{name.removeprefix('tcp_')} = {int(given[name])}" for name in _TIMEOUTS]
    isolation = "default_transaction_isolation = 'read committed'"
    settings = ["DateStyle = ISO", isolation, "enable_material = off", *timeouts]
    connection.autocommit = True
    connection.execute("; ".join(f"SET {setting}" for setting in settings))
    connection.autocommit = False


def _existing(url: URL) -> URL:
    """Return the URL changed so that SQLite opens its file only if the file exists."""
    if not url.database or "uri" in url.query:  # There is no file, or the URL sets its mode.
        return url
    file = Path(url.database).absolute().as_uri()
    return url.set(database=file, query={**url.query, "mode": "rw", "uri": "true"})


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Configure a connection so that a commit survives power loss and readers never wait."""
    for pragma in (
        f"busy_timeout={_BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON",
        "secure_delete=ON",  # Erased rows are overwritten with zeros.
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    _enable_write_ahead_log(connection)


def _enable_write_ahead_log(connection: Any) -> None:
    """Switch a new file to write-ahead logging, even while other processes do the same.

    If another process holds the file, SQLite refuses this one statement at once, without waiting
    for busy_timeout: of 1,200 first connections, made four at a time, 26 failed.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once, unless the transaction is declared as read-only.

    With the driver's own deferred transactions 1,044 of 1,200 concurrent updates were lost.
    """
    reads = connection.get_execution_options().get("reads_only", False)
    run(connection, "execute", "BEGIN" if reads else "BEGIN IMMEDIATE")


def empty_write_ahead_log(engine: Engine) -> None:
    """Empty the write-ahead log of SQLite, in which deleted rows can still be read.

    If a reader takes longer than connections wait, the log is emptied when the last one closes.
    """
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()


def read_only(engine: Engine) -> Engine:
    """Return the engine for read-only transactions, which on SQLite never wait for a writer."""
    return engine.execution_options(reads_only=True)


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """Open one read-only transaction that sees the database as it is now, however long it takes."""
    engine = build_engine(url)
    try:
        level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with read_only(engine).execution_options(**level).begin() as connection:
            yield connection
    finally:
        engine.dispose()
