"""The file of a SQLite database, held to be the one that was opened first.

Connections go on writing to a file that was deleted or replaced under them: of four results that
were acknowledged so, none was left once the service stopped. Nor may another file be opened in its
place, since the write-ahead log of the first may lie beside it.
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from toxgrade.errors import OutOfService

REPLACED = "the database's file was removed or replaced; put it back, or restart the service"


class SqliteFile:
    """The file of an engine; every transaction checks at its begin and end that it is in place."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None
        event.listen(engine, "connect", self._note)
        event.listen(engine, "begin", self._check)
        event.listen(engine, "commit", self._check)

    def _note(self, *_: Any) -> None:
        if self._opened is None:
            self._opened = self._now()

    def _check(self, *_: Any) -> None:
        """Raise ``OutOfService`` unless the path names the file that was opened first."""
        if self._now() != self._opened:
            raise OutOfService(REPLACED)

    def _now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
