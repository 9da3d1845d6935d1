"""Putting the graded chunks of a batch together, in the order of the uploaded file; and taking the
rows of erased patients out again.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from toxgrade.batches.store import Store
from toxgrade.errors import Unavailable

_RANGE = 500_000
"""Rows in memory at a time: chunks hold whole patients, whose rows may lie anywhere in the file."""

PATIENT = "\x00patient"
"""The column of a graded chunk that tells whose a row is; no input has one of this name."""


def assemble(chunks: Sequence[Path], store: Store, batch_id: str) -> None:
    """Write the rows of ``chunks`` to the graded rows of the batch, by ``row``, and whose they are
    beside them. Each file is there only when whole.
    """
    whose = pl.scan_parquet(list(chunks)) if chunks else _NO_ROWS
    _write(whose.select("row", patient=PATIENT), store.patients_of_grades(batch_id))
    _write(_in_order(chunks).drop(PATIENT), store.grades(batch_id))


def leave_out(erased: Collection[str], store: Store, batch_ids: Iterable[str]) -> None:
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
