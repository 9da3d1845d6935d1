"""A database that cannot be used is named as what it is, without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.conftest import NewDatabase
from toxgrade.server.records.db.transaction import transaction

_PROGRAM = Path(sys.executable).parent / "toxgrade"


def _stderr(url: str, *command: str) -> str:
    """What a command that ends with code 2 prints."""
    environment = os.environ | {"TOXGRADE_DATABASE_URL": url}
    ran = subprocess.run([_PROGRAM, *command], env=environment, capture_output=True, text=True)
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "head"), ("keys", "list")])
def test_damaged(new_sqlite: NewDatabase, command: tuple[str, ...]) -> None:
    url = new_sqlite()
    file = Path(make_url(url).database or "")
    size = file.stat().st_size
    with file.open("r+b") as pages:  # All of them but the first, which says what the file is.
        pages.seek(4096)
        pages.write(b"\xff" * (size - 4096))
    assert "the database is damaged; restore a backup" in _stderr(url, *command)


def test_of_a_newer_version(new_sqlite: NewDatabase) -> None:
    url = new_sqlite()
    with transaction(url) as opened:
        opened.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (("db", "upgrade"), ("serve",)):
        assert "migrated by a newer version of Toxgrade" in _stderr(url, *command)
