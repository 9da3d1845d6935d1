"""The files of the service, which hold patients' values, are its own user's alone."""

import os
import stat
from pathlib import Path

import structlog
from sqlalchemy.engine import make_url

from toxgrade.server.settings import Settings

_log = structlog.get_logger()


def keep_private(settings: Settings) -> None:
    """Give no other user access to the files that this process makes, nor to the database and the
    folder of uploads that are there already. A group keeps what an operator gave it.

    SQLite makes its other files with the mode of the database's.
    """
    os.umask(0o077)
    there = [path for path in _kept(settings) if path.exists()]
    wide = [path for path in there if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO]
    for path in wide:
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)
        except PermissionError:
            _log.warning("other users can read files of the service, which are not its own")
        else:
            _log.warning("other users could read files of the service; now they cannot")


def _kept(settings: Settings) -> list[Path]:
    url = make_url(settings.database_url)
    of_sqlite = url.get_backend_name() == "sqlite" and url.database and "uri" not in url.query
    endings = ("", "-wal", "-shm") if of_sqlite else ()
    return [settings.batches_dir, *(Path(f"{url.database}{ending}") for ending in endings)]
