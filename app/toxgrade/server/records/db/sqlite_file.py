"""The file of a SQLite database, held to be the one that was opened first, and whole.

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
CUT_OFF = "the database's file became shorter; restart the service once it is whole"


class SqliteFile:
    """The file of an engine; every transaction checks at its begin and end that it is in place."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None
        self._length = 0
        event.listen(engine, "connect", self._note)
        event.listen(engine, "begin", self._check)
        event.listen(engine, "commit", self._check)

    def _note(self, *_: Any) -> None:
        if self._opened is None:
            self._opened = self._now()[:2]

    def _check(self, *_: Any) -> None:
        """Raise ``OutOfService`` unless the path names the file that was opened first, which never
        becomes shorter: the write-ahead log would hide for a while that pages are gone.
        """
        before = self._length  # Read first: while this thread looks, another may see it grow.
        device, inode, length = self._now()
        if (device, inode) != self._opened:
            raise OutOfService(REPLACED)
        if length < before:
            raise OutOfService(CUT_OFF)
        self._length = length

    def _now(self) -> tuple[int, int, int]:
        try:
            found = os.stat(self._path)
        except OSError:
            return 0, 0, 0
        return found.st_dev, found.st_ino, found.st_size
