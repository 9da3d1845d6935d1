"""What a process tells the installation's audit of itself, and where it sends the audit's heads.

Once it runs, that it started and with which settings; then, each minute, how many bad credentials
came. A database that does not answer is told later. Heads are sent as often as the settings say.
"""

import asyncio

import structlog
from sqlalchemy import Engine

from toxgrade import __version__
from toxgrade.server.http.guesses import Guesses
from toxgrade.server.http.sent_heads import send
from toxgrade.server.records.audit_log import INSTALLATION, AuditAction
from toxgrade.server.records.audit_verify import heads
from toxgrade.server.records.db.engine import read_only
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import Runtime
from toxgrade.server.settings import Settings

_EVERY = 60.0  # seconds
_SECRET = {"audit_heads", "database_url", "pull_basic", "pull_bearer"}

_log = structlog.get_logger()


class ProcessEvents:
    """Tells of one process, from its start until ``stop``."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        runtime: Runtime,
        writer: Writer,
        guesses: Guesses,
    ) -> None:
        self._settings, self._engine, self._runtime = settings, engine, runtime
        self._writer, self._guesses = writer, guesses
        self._is_told = False
        self._send_at = 0.0
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tell the bad credentials that are left, while the writer still runs."""
        self._task.cancel()
        await self._tell()

    async def _run(self) -> None:
        while True:
            await self._tell()
            now = self._runtime.monotonic()
            if self._settings.audit_heads and now >= self._send_at:
                self._send_at = now + self._settings.audit_heads_seconds
                await asyncio.to_thread(self._send_heads, self._settings.audit_heads)
            await asyncio.sleep(min(_EVERY, self._settings.audit_heads_seconds))

    async def _tell(self) -> None:
        if not self._is_told:
            given = self._settings.model_dump(mode="json", exclude=_SECRET, exclude_defaults=True)
            self._is_told = await self._note("start the service", settings=given)
        if found := self._guesses.counted():
            bad, addresses = found
            if await self._note("bad credentials", refused=bad, addresses=addresses):
                self._guesses.told(bad)

    async def _note(self, what: str, **facts: object) -> bool:
        """Add an entry, and return whether that was possible."""
        act = AuditAction(f"toxgrade {__version__}", what, INSTALLATION)
        try:
            await self._writer.ask(lambda transaction: transaction.note(**facts), act)
        except Exception as error:
            _log.warning("the audit could not be told", error=type(error).__name__)
            return False
        return True

    def _send_heads(self, where: str) -> None:
        try:
            with read_only(self._engine).begin() as connection:
                found = heads(connection)
            send(where, found)
        except Exception as error:  # Whatever it is, the rest must go on being told.
            _log.error("the audit's heads could not be sent", error=type(error).__name__)
