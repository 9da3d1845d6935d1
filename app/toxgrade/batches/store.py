"""The folder of uploads: one folder for each batch, named by the service.

What was uploaded is gone when the batch has ended; its graded rows stay. Every API process and
worker of one database uses the same folder (on several hosts, a shared one). It carries a name of
its own, so that a worker that sees another folder leaves the batch alone.
"""

import os
import re
import shutil
import time
import uuid
from pathlib import Path

from toxgrade.errors import Unavailable

GRADES = "grades.parquet"
PATIENTS = "patients-of-grades.parquet"
_KEPT = {GRADES, PATIENTS}
_NAME = "name"
_BATCH = re.compile(r"[0-9a-f]{32}")  # the folder may hold what is not ours
_STILL = 24 * 3600  # seconds without a change: nobody is uploading there or removing what was


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

    def patients_of_grades(self, batch_id: str) -> Path:
        """Whose the graded rows are: ``row`` Int64, ``patient`` String, in no order."""
        return self.folder(batch_id) / PATIENTS

    def remove(self, batch_id: str) -> None:
        """Remove all that there is of a batch."""
        shutil.rmtree(self.folder(batch_id), ignore_errors=True)

    def keep_grades_only(self, batch_id: str) -> None:
        """Remove what was uploaded and what lay in between: the database has it now."""
        for path in self.folder(batch_id).iterdir():
            if path.name not in _KEPT:
                path.unlink(missing_ok=True)

    def leftovers(self) -> list[str]:
        """Batches with more in their folder than stays of one that has ended, and where nothing has
        changed for a day: an upload broke off there, or who had to remove it was killed.
        """
        old = time.time() - _STILL
        return [
            folder.name
            for folder in self.root.iterdir()
            if _BATCH.fullmatch(folder.name) and folder.stat().st_mtime < old
            if (names := {path.name for path in folder.iterdir()}) - _KEPT or not names
        ]
