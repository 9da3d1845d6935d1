"""Whether the pages of the database are whole: read now and then, and noted where one is not."""

import sqlite3
import threading
from contextlib import closing
from math import inf
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from toxgrade.server.records.db.failures import DAMAGED, reason_of
from toxgrade.server.runtime import Runtime

_EVERY_SECONDS = 24 * 3600.0
_AGAIN_SECONDS = 60.0  # while the database is damaged
_STEPS = 100_000  # of SQLite's machine between two looks at whether to stop


class Integrity:
    """What is known of an engine's database: damaged pages that a statement met, or that were found
    by reading a SQLite database whole, after the start and once a day, in a thread of its own.
    """

    def __init__(self, engine: Engine, runtime: Runtime) -> None:
        self._engine, self._runtime = engine, runtime
        self._damaged_until = 0.0
        self._closed, self._look = False, threading.Condition()
        self._reading: threading.Thread | None = None
        event.listen(engine, "handle_error", self._note)
        if engine.dialect.name == "sqlite":
            self._reading = threading.Thread(target=self._read, name="integrity", daemon=True)
            self._reading.start()

    @property
    def is_damaged(self) -> bool:
        """Whether damage was met in the last minute, or the last reading found any."""
        return self._runtime.monotonic() < self._damaged_until

    def close(self) -> None:
        """Stop reading."""
        with self._look:
            self._closed = True
            self._look.notify()
        if self._reading is not None:
            self._reading.join()

    def _note(self, context: ExceptionContext) -> None:
        if reason_of(context.original_exception) == DAMAGED:
            with self._look:
                again = self._runtime.monotonic() + _AGAIN_SECONDS
                self._damaged_until = max(self._damaged_until, again)
                self._look.notify()

    def _read(self) -> None:
        while not self._closed:
            is_whole = self._is_whole()
            with self._look:
                if not self._closed:
                    self._damaged_until = 0.0 if is_whole else inf
                    self._look.wait(_EVERY_SECONDS if is_whole else _AGAIN_SECONDS)

    def _is_whole(self) -> bool:
        """Read the database whole; True also where it cannot be read now for another reason."""
        try:
            with closing(self._engine.raw_connection()) as connection:
                driver: Any = connection.dbapi_connection
                driver.set_progress_handler(lambda: self._closed, _STEPS)
                try:
                    found: list[tuple[str]] = driver.execute("PRAGMA quick_check(1)").fetchall()
                finally:
                    driver.set_progress_handler(None, 0)
        except sqlite3.Error as error:
            return reason_of(error) != DAMAGED
        return found == [("ok",)]
