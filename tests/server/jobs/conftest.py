"""The service of ``stored.py`` over each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.jobs.stored import Stored, stored


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Stored]:
    with stored(database_url, tmp_path / "batches") as found:
        yield found
