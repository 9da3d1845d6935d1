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
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from toxgrade.errors import Unavailable

GRADES = "grades.parquet"
PATIENTS = "patients-of-grades.parquet"
_KEPT = {GRADES, PATIENTS}
_NAME = "name"
_BATCH = re.compile(r"[0-9a-f]{32}")  # the folder may hold what is not ours
_STILL = 24 * 3600  # seconds without a change: nobody is uploading there or removing what was


class UploadStore:
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


_RANGE = 500_000
"""Rows in memory at a time: chunks hold whole patients, whose rows may lie anywhere in the file."""

PATIENT = "\x00patient"
"""The column of a graded chunk that tells whose a row is; no input has one of this name."""


def assemble(chunks: Sequence[Path], store: UploadStore, batch_id: str) -> None:
    """Write the rows of ``chunks`` to the graded rows of the batch, by ``row``, and whose they are
    beside them. Each file is there only when whole.
    """
    whose = pl.scan_parquet(list(chunks)) if chunks else _NO_ROWS
    _write(whose.select("row", patient=PATIENT), store.patients_of_grades(batch_id))
    _write(_in_order(chunks).drop(PATIENT), store.grades(batch_id))


def leave_out(erased: Collection[str], store: UploadStore, batch_ids: Iterable[str]) -> None:
    """Take the rows of erased patients out of the graded rows of batches.

    Where it is not known whose the rows are, none of them stays.

    Raises:
        Unavailable: the files cannot be written; some of them may have been. Again it goes on.
    """
    try:
        for batch_id in batch_ids:
            if store.grades(batch_id).exists():
                _leave_out(erased, store.grades(batch_id), store.patients_of_grades(batch_id))
    except (OSError, PolarsError) as error:
        kind = type(error).__name__
        text = f"the graded rows of the study's batches cannot be written anew ({kind})"
        raise Unavailable(text) from None


def _leave_out(erased: Collection[str], grades: Path, patients: Path) -> None:
    stays = pl.lit(value=False)
    if patients.exists():
        whose = pl.scan_parquet(patients).filter(pl.col("patient").is_in(erased))
        rows = whose.select("row").collect()["row"]
        if rows.is_empty():
            return
        stays = ~pl.col("row").is_in(rows.implode())
    _write(pl.scan_parquet(grades).filter(stays), grades)
    if patients.exists():  # last: it tells which rows are to go
        _write(pl.scan_parquet(patients).filter(stays), patients)


def _write(rows: pl.LazyFrame, output: Path) -> None:
    unfinished = output.with_name(f".{output.name}.unfinished")
    rows.sink_parquet(unfinished, maintain_order=True)
    os.replace(unfinished, output)


_NO_ROWS = pl.LazyFrame(schema={"row": pl.Int64, PATIENT: pl.String})


def _in_order(chunks: Sequence[Path]) -> pl.LazyFrame:
    if not chunks:
        return _NO_ROWS
    graded = pl.scan_parquet(list(chunks))
    last = graded.select(pl.col("row").max()).collect().item() or 0
    return pl.concat(
        graded.filter(pl.col("row").is_between(first, first + _RANGE - 1)).sort(
            "row", maintain_order=True
        )
        for first in range(1, last + 1, _RANGE)
    )
