"""Whether this process could store something now: it tries, at most once in two seconds."""

import asyncio
import os
from pathlib import Path

from sqlalchemy import text

from toxgrade.cohort.described import answer, described
from toxgrade.errors import OutOfService, Unavailable
from toxgrade.server.records.db.failures import DAMAGED
from toxgrade.server.records.db.integrity import Integrity
from toxgrade.server.records.db.transaction import Transaction
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import Runtime

_FRESH_SECONDS = 2.0
_TRY_SECONDS = 5.0
_REFUSED_SECONDS = 10.0

_STORE_NOTHING = "INSERT INTO results SELECT * FROM results WHERE false"
"""What PostgreSQL refuses where it is read-only, or where the role has no right to store."""


@answer
class Ready:
    """The process could store something now."""

    status: str = described("Always `ready`.", "ready")
    migration: str = described("The migration of the database.", "0042")
    uploads: str = described("`ready`, or why uploads cannot be received.", "ready")


class Readiness:
    """What ``/readyz`` answers. However many call at once, one of them tries.

    The writer writes a few bytes, as it would a result: a transaction that is rolled back does not
    meet a full disk. What it could not store for a caller counts for 10 s too, since a few bytes
    may find room where a panel does not. Uploads have a part of their own in the answer, because
    everything else works without their folder.
    """

    def __init__(
        self, writer: Writer, integrity: Integrity, runtime: Runtime, batches_dir: Path
    ) -> None:
        self._writer, self._integrity, self._batches_dir = writer, integrity, batches_dir
        self._runtime = runtime
        self._found: Ready | Unavailable = Unavailable("not tried yet")
        self._fresh_until = 0.0
        self._trying: asyncio.Task[None] | None = None

    async def check(self) -> Ready:
        """Return the answer of a process that could store something.

        Raises:
            Unavailable: it could not; the error says why.
        """
        if self._runtime.monotonic() >= self._fresh_until:
            if self._trying is None:
                self._trying = asyncio.create_task(self._try())
            await asyncio.shield(self._trying)
        if isinstance(self._found, Unavailable):
            raise self._found
        return self._found

    async def _try(self) -> None:
        try:
            self._found = await self._answer()
        except Unavailable as error:
            self._found = error
        finally:
            self._fresh_until, self._trying = self._runtime.monotonic() + _FRESH_SECONDS, None

    async def _answer(self) -> Ready:
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                migration = await self._writer.ask(_write_something)
        except TimeoutError:
            raise Unavailable("the database did not answer in time") from None
        if self._integrity.is_damaged:
            raise OutOfService(DAMAGED)
        why, refused_at = self._writer.refused or ("", -_REFUSED_SECONDS)
        if self._runtime.monotonic() < refused_at + _REFUSED_SECONDS:
            raise Unavailable(why)
        uploads = await asyncio.to_thread(_why_no_uploads, self._batches_dir)
        return Ready("ready", migration, uploads or "ready")


def _write_something(transaction: Transaction) -> str:
    """Write a few bytes, to be committed, that change nothing; return the migration.

    Raises:
        SQLAlchemyError: the database cannot be written to.
    """
    connection = transaction.connection
    if connection.dialect.name == "sqlite":
        number = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {int(number)}")
    else:
        connection.exec_driver_sql(_STORE_NOTHING)
        # An entry in the write-ahead log, which the commit flushes; no table has a row of it.
        connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'toxgrade', 'ready')")
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _why_no_uploads(folder: Path) -> str | None:
    """Return why uploads cannot be received in the folder, which the first upload makes."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        return "TOXGRADE_BATCHES_DIR is not a folder"
    return None if os.access(there, os.W_OK | os.X_OK) else "TOXGRADE_BATCHES_DIR is not writable"
