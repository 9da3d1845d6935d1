"""The database: an engine for its URL, and its migrations."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url

from toxgrade.errors import RequestError, Unavailable
from toxgrade.server.records.db.append import COVERED
from toxgrade.server.records.db.service_tables import audit, erasures
from toxgrade.server.records.db.unit_of_work import write_in_time

_SERVER = Path(__file__).parents[2]
_PATIENCE = 10  # seconds a SQLite connection waits for another process
_SQLITE = (3, 35, 0)  # the first with RETURNING; Python may stand on an older system's
_LOCK = 0x746F7867  # "toxg": one process migrates a PostgreSQL database at a time
_SILENCE = {
    "tcp_user_timeout": "8000",  # ms
    "keepalives_idle": "4", "keepalives_interval": "2", "keepalives_count": "2",
}  # fmt: skip
"""When we and PostgreSQL give each other up, unless the URL says otherwise: after 8 s without a
sign from the other's host. By itself the system waits a quarter of an hour, or two hours.
"""


def build_engine(url: str, *, new: bool = False) -> Engine:
    """An engine for ``sqlite:///…`` or ``postgresql+psycopg://…``, safe for concurrent writers.

    Its errors never name a statement's parameters: those are patients' values. ``new``: a SQLite
    file that is not there is made; else it is an error, as a server that is not there.

    Raises:
        Unavailable: the SQLite that Python has is too old.
    """
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    engine = _sqlite(parsed, new=new) if is_sqlite else _postgresql(parsed)
    write_in_time(engine)
    return engine


def _sqlite(url: URL, *, new: bool) -> Engine:
    if sqlite3.sqlite_version_info < _SQLITE:
        needed = ".".join(map(str, _SQLITE))
        text = f"SQLite {needed} or newer is needed; this Python has {sqlite3.sqlite_version}"
        raise Unavailable(text)
    engine = sqlalchemy.create_engine(
        url if new else _there(url), connect_args={"isolation_level": None}, hide_parameters=True
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    # A database in SQL_ASCII would give bytes.
    ours = {"client_encoding": "utf8", "connect_timeout": "5", **_SILENCE}
    engine = sqlalchemy.create_engine(
        url.set(query={**ours, **url.query}),
        pool_pre_ping=True,
        pool_size=10,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: Any, _record: object) -> None:
    """Make the session one that we know, whatever the server's defaults are.

    Dates of another style the driver cannot read, and what waits for a lock must see what was
    committed meanwhile. The server is to give us up as we do it: a host that is gone in the middle
    of a transaction would keep its patients, and the audit of their studies, locked for two hours.
    """
    told = connection.info.get_parameters()
    silence = [f"tcp_{name.removeprefix('tcp_')} = {int(told[name])}" for name in _SILENCE]
    known = ["DateStyle = ISO", "default_transaction_isolation = 'read committed'", *silence]
    connection.autocommit = True
    connection.execute("; ".join(f"SET {setting}" for setting in known))
    connection.autocommit = False


def _there(url: URL) -> URL:
    """The URL of the file as SQLite opens it only if it is there."""
    if not url.database or "uri" in url.query:  # none, or one that says how it is opened
        return url
    file = Path(url.database).absolute().as_uri()
    return url.set(database=file, query={**url.query, "mode": "rw", "uri": "true"})


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Durable and concurrent: an acknowledged commit survives power loss; readers never wait."""
    for pragma in (
        f"busy_timeout={_PATIENCE * 1000}", "synchronous=FULL", "foreign_keys=ON",
        "secure_delete=ON",  # who is erased leaves zeros behind
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    _write_ahead(connection)


def _write_ahead(connection: Any) -> None:
    """Switch a new file to write-ahead logging, whoever else is about to.

    SQLite refuses this one statement at once where another process holds the file, without
    waiting for busy_timeout: 26 of 1,200 first connections, four at a time, failed.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.005)


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once unless the transaction is declared to read only.

    The driver's own deferred transactions lost 1,044 of 1,200 concurrent updates.
    """
    reads = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def empty_write_ahead_log(engine: Engine) -> None:
    """Empty that of SQLite, in which what was deleted can still be read.

    Where somebody reads for longer than connections wait, it is emptied when the last one closes.
    """
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()


def read_only(engine: Engine) -> Engine:
    """The same engine for transactions that only read: on SQLite they never wait for a writer."""
    return engine.execution_options(reads_only=True)


@contextmanager
def transaction(url: str, *, reads_only: bool = False, new: bool = False) -> Iterator[Connection]:
    """One transaction on a database that nothing else of this process uses."""
    engine = build_engine(url, new=new)
    try:
        with (read_only(engine) if reads_only else engine).begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """One transaction that only reads, and sees the database as it is now however long it takes."""
    engine = build_engine(url)
    try:
        level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with read_only(engine).execution_options(**level).begin() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade(url: str) -> None:
    """Bring the database to the latest migration; safe when several processes start at once."""
    with transaction(url, new=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:k)"), {"k": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(_migrations()))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _migrations() -> Path:
    """Beside the package in a checkout, inside it when installed from a wheel."""
    installed = _SERVER / "migrations"
    return installed if installed.is_dir() else _SERVER.parents[2] / "alembic"


_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def grant(connection: Connection, role: str) -> None:
    """Give an existing role what the service needs, and no right to update or delete what it keeps.

    Run by the owner of the tables, again after every upgrade: new tables need it too.

    Raises:
        RequestError: not PostgreSQL, or not the name of a role.
    """
    if connection.dialect.name != "postgresql":
        raise RequestError("only PostgreSQL has roles; SQLite keeps its triggers")
    if not _ROLE.fullmatch(role):
        raise RequestError(f"expected the name of a role: {_ROLE.pattern}")
    kept = ", ".join(table.name for table in (*COVERED, audit, erasures))
    for statement in (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {kept} FROM {role}",
        f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
        f"REVOKE DELETE ON patients, studies, api_keys, audit_heads FROM {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"GRANT EXECUTE ON FUNCTION toxgrade_erase(bigint) TO {role}",
    ):
        connection.exec_driver_sql(statement)
