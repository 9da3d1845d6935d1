"""The file of a SQLite database: it may grow while several threads look at it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy

from toxgrade.errors import OutOfService
from toxgrade.server.records.db import sqlite_file


def test_a_file_that_grows_while_two_threads_look_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40,000 requests two were refused: one thread saw the file before a checkpoint made it
    longer, and compared what it saw with what another thread saw afterwards.
    """
    path = tmp_path / "labs.db"
    path.write_bytes(bytes(4096))
    engine = sqlalchemy.create_engine("sqlite://")
    sqlite_file.SqliteFile(engine, path)
    looked = list[int]()

    def look_slowly(of: Path) -> os.stat_result:
        found = os.stat(of)
        looked.append(found.st_size)
        if len(looked) == 2:  # The first was that of the connection.
            path.write_bytes(bytes(8192))
            with engine.begin():
                pass  # Another transaction sees the file grown.
        return found

    monkeypatch.setattr(sqlite_file, "os", SimpleNamespace(stat=look_slowly))
    with engine.begin():
        pass
    assert looked[:3] == [4096, 4096, 8192]
    path.write_bytes(bytes(4096))
    with pytest.raises(OutOfService, match="became shorter"), engine.begin():
        pass
