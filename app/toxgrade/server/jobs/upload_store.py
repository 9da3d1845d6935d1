"""The upload store: a folder with one folder for each batch, named by the service.

Uploaded files are removed when their batch has ended; its graded rows stay. Every API process and
worker of one database uses the same store (on several hosts, a shared one). It has a name of its
own, so that a worker with another store leaves the batch alone.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from toxgrade.errors import Unavailable
from toxgrade.server.runtime import Runtime
from toxgrade.tabular.whole_file import replaced

GRADES = "grades.parquet"
PATIENTS = "patients-of-grades.parquet"
_STAYING = {GRADES, PATIENTS}
_NAME = "name"
_BATCH = re.compile(r"[0-9a-f]{32}")  # The store may hold other files.
_ABANDONED_SECONDS = 24 * 3600  # After this time without a change nobody works in a folder.


class UploadStore:
    """The upload store in the folder ``root``, which is made if it does not exist.

    Raises:
        Unavailable: the folder cannot be made, or not be written to.
    """

    def __init__(self, root: Path, runtime: Runtime) -> None:
        self.root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.name = self._read_name(runtime)
        except OSError as error:
            raise Unavailable(f"TOXGRADE_BATCHES_DIR cannot be used: {error.strerror}") from None

    def _read_name(self, runtime: Runtime) -> str:
        """Return the store's own name, which the first process to use the store writes."""
        file = self.root / _NAME
        if not file.exists():
            draft = self.root / f".{runtime.uuid().hex}"
            draft.write_text(runtime.uuid().hex, "ascii")
            try:
                os.link(draft, file)  # This fails if another process was first.
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_text("ascii")

    def folder(self, batch_id: str) -> Path:
        """Return the folder of a batch's files; ``batch_id`` must be one that the service made."""
        return self.root / batch_id

    def open_folder(self, batch_id: str) -> Path:
        """Make and return the folder for an upload that begins."""
        folder = self.folder(batch_id)
        folder.mkdir(mode=0o700)
        return folder

    def grades(self, batch_id: str) -> Path:
        """Return the path of the graded rows of a batch that has ended."""
        return self.folder(batch_id) / GRADES

    def patients_of_grades(self, batch_id: str) -> Path:
        """Return the path of the rows' patients: ``row`` Int64, ``patient`` String, unordered."""
        return self.folder(batch_id) / PATIENTS

    def remove(self, batch_id: str) -> None:
        """Remove all files of a batch."""
        shutil.rmtree(self.folder(batch_id), ignore_errors=True)

    def keep_grades_only(self, batch_id: str) -> None:
        """Remove uploaded and intermediate files, whose contents the database now has."""
        for path in self.folder(batch_id).iterdir():
            if path.is_dir():  # It holds what a killed process had unpacked.
                shutil.rmtree(path, ignore_errors=True)
            elif path.name not in _STAYING:
                path.unlink(missing_ok=True)

    def leftovers(self, now: datetime) -> list[str]:
        """Return batches whose folder is empty or holds more than graded rows, unchanged for a day
        at ``now``: their upload was interrupted, or the process that had to clean up was killed.
        """
        cutoff = now.timestamp() - _ABANDONED_SECONDS
        return [
            folder.name
            for folder in self.root.iterdir()
            if _BATCH.fullmatch(folder.name) and folder.stat().st_mtime < cutoff
            if (names := {path.name for path in folder.iterdir()}) - _STAYING or not names
        ]


_SORTED_ROWS = 500_000
"""So many rows are sorted in memory at a time: a chunk's rows may lie anywhere in the file."""

PATIENT = "\x00patient"
"""The column of a graded chunk with the row's patient; no input has a column of this name."""


def assemble(chunks: Sequence[Path], store: UploadStore, batch_id: str) -> None:
    """Write the graded rows of ``chunks``, ordered by ``row``, and the file of their patients.

    A file appears only when it is complete.
    """
    graded = pl.scan_parquet(list(chunks)) if chunks else _NO_ROWS
    _write(graded.select("row", patient=PATIENT), store.patients_of_grades(batch_id))
    _write(_in_order(chunks).drop(PATIENT), store.grades(batch_id))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def changed_grades(root: Path, noted: Mapping[str, str]) -> list[str]:
    """Return the batches whose graded rows are not as ``noted``, of those whose file is there."""
    files = {batch: root / batch / GRADES for batch in noted}
    return [b for b, file in files.items() if file.exists() and file_sha256(file) != noted[b]]


def leave_out(
    erased: Collection[str], store: UploadStore, batch_ids: Iterable[str], written: dict[str, str]
) -> None:
    """Remove the rows of erased patients from the graded rows of batches.

    If a batch's file of patients is missing, all of its graded rows are removed. ``written`` takes
    the new SHA-256 of the graded rows of each batch that had such rows.

    Raises:
        Unavailable: some files could not be written; calling again goes on with them.
    """
    try:
        for batch_id in batch_ids:
            grades = store.grades(batch_id)
            if grades.exists() and _leave_out(erased, grades, store.patients_of_grades(batch_id)):
                written[batch_id] = file_sha256(grades)
    except (OSError, PolarsError) as error:
        kind = type(error).__name__
        text = f"the graded rows of the study's batches cannot be written anew ({kind})"
        raise Unavailable(text) from None


def _leave_out(erased: Collection[str], grades: Path, patients: Path) -> bool:
    """Return whether there were such rows."""
    remaining = pl.lit(value=False)
    if patients.exists():
        of_erased = pl.scan_parquet(patients).filter(pl.col("patient").is_in(erased))
        rows = of_erased.select("row").collect()["row"]
        if rows.is_empty():
            return False
        remaining = ~pl.col("row").is_in(rows.implode())
    _write(pl.scan_parquet(grades).filter(remaining), grades)
    if patients.exists():  # This file comes last, because it says which rows to remove.
        _write(pl.scan_parquet(patients).filter(remaining), patients)
    return True


def _write(rows: pl.LazyFrame, output: Path) -> None:
    with replaced(output) as unfinished:
        rows.sink_parquet(unfinished, maintain_order=True)


_NO_ROWS = pl.LazyFrame(schema={"row": pl.Int64, PATIENT: pl.String})


def _in_order(chunks: Sequence[Path]) -> pl.LazyFrame:
    if not chunks:
        return _NO_ROWS
    graded = pl.scan_parquet(list(chunks))
    last = graded.select(pl.col("row").max()).collect().item() or 0
    return pl.concat(
        graded.filter(pl.col("row").is_between(first, first + _SORTED_ROWS - 1)).sort(
            "row", maintain_order=True
        )
        for first in range(1, last + 1, _SORTED_ROWS)
    )
