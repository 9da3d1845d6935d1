"""Putting the graded chunks of a batch together, in the order of the uploaded file."""

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

_RANGE = 500_000
"""Rows in memory at a time: chunks hold whole patients, whose rows may lie anywhere in the file."""


def assemble(chunks: Sequence[Path], output: Path) -> None:
    """Write the rows of ``chunks`` to ``output``, by ``row``; the file is there only when whole."""
    unfinished = output.with_name(f".{output.name}.unfinished")
    _in_order(chunks).sink_parquet(unfinished, maintain_order=True)
    os.replace(unfinished, output)


def _in_order(chunks: Sequence[Path]) -> pl.LazyFrame:
    if not chunks:
        return pl.LazyFrame(schema={"row": pl.Int64})
    graded = pl.scan_parquet(list(chunks))
    last = graded.select(pl.col("row").max()).collect().item() or 0
    return pl.concat(
        graded.filter(pl.col("row").is_between(first, first + _RANGE - 1)).sort(
            "row", maintain_order=True
        )
        for first in range(1, last + 1, _RANGE)
    )
