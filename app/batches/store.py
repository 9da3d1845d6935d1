"""The folder of uploads: one folder for each batch, named by the service, gone when it has ended.

Every API process and worker of one database uses the same folder (on several hosts, a shared one).
It carries a name of its own, so that a worker that sees another folder leaves the batch alone.
"""

import os
import shutil
import time
import uuid
from pathlib import Path

from app.errors import Unavailable

GRADES = "grades.parquet"
_NAME = "name"
_ABANDONED = 24 * 3600  # seconds after which an upload that never became a batch is removed


class Store:
    """The folder ``root``, made if it is not there.

    Raises:
        Unavailable: it cannot be made, or not be written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.name = self._named()
        except OSError as error:
            raise Unavailable(f"TOXGRADE_BATCHES_DIR cannot be used: {error.strerror}") from None

    def _named(self) -> str:
        """The folder's own name, written once, whoever comes first."""
        file = self.root / _NAME
        if not file.exists():
            drawn = self.root / f".{uuid.uuid4().hex}"
            drawn.write_text(uuid.uuid4().hex, "ascii")
            try:
                os.link(drawn, file)  # fails where another process was first
            except FileExistsError:
                pass
            finally:
                drawn.unlink()
        return file.read_text("ascii")

    def folder(self, batch_id: str) -> Path:
        """Where a batch's files lie; ``batch_id`` is one that the service drew."""
        return self.root / batch_id

    def open_folder(self, batch_id: str) -> Path:
        """Make the folder for an upload that begins."""
        folder = self.folder(batch_id)
        folder.mkdir(mode=0o700)
        return folder

    def grades(self, batch_id: str) -> Path:
        """The graded rows of a batch that has ended."""
        return self.folder(batch_id) / GRADES

    def remove(self, batch_id: str) -> None:
        """Remove all that there is of a batch."""
        shutil.rmtree(self.folder(batch_id), ignore_errors=True)

    def keep_grades_only(self, batch_id: str) -> None:
        """Remove what was uploaded and what lay in between: the database has it now."""
        for path in self.folder(batch_id).iterdir():
            if path.name != GRADES:
                path.unlink(missing_ok=True)

    def abandoned(self) -> list[str]:
        """Batches whose folder has not changed for a day: an upload may have broken off there."""
        old = time.time() - _ABANDONED
        folders = [path for path in self.root.iterdir() if path.is_dir()]
        return [path.name for path in folders if path.stat().st_mtime < old]
