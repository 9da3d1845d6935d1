"""Comparing our grades with another grader's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.batches.beside import Comparison


def compare(
    ours: Annotated[Path, typer.Argument(help="What `toxgrade grade` wrote.")],
    theirs: Annotated[Path, typer.Argument(help="Another grader's data set (ADLB).")],
    keys: Annotated[
        str, typer.Option(help="Columns that name a result: COLUMN or OURS=THEIRS, with commas.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The differences: .csv, .parquet, …")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="As the export was mapped to be graded.")
    ] = None,
) -> None:
    """Say where two graders agree on the same results, and why they do not."""
    from app.batches.beside import compare
    from app.batches.files import check_output, write
    from app.criteria.reader import load
    from app.errors import RequestError
    from app.grading.one import Graders

    pairs = []
    for key in keys.split(","):
        mine, equals, other = key.strip().partition("=")
        if not mine or (equals and not other):
            raise RequestError("--keys: expected columns, as USUBJID,LBSEQ or patient=USUBJID")
        pairs.append((mine, other or mine))
    if output is not None:
        check_output(output)
    found = compare(ours, theirs, pairs, Graders(load()), map_ or ())
    if output is not None:
        write([found.differences], output)
    _print(found)


def _print(found: "Comparison") -> None:
    import polars as pl

    differences = found.differences
    print(f"{sum(found.agreed.values()):,} gradings agree, {len(differences):,} differ")
    counted = differences.group_by("term", "cause").len().sort("term", "cause")
    terms = {*found.agreed, *counted["term"].drop_nulls()}
    for term in sorted(terms):
        causes = counted.filter(pl.col("term") == term).select("cause", "len").iter_rows()
        told = ", ".join(f"{cause} {n:,}" for cause, n in causes)
        print(f"  {term}: {found.agreed.get(term, 0):,} agree" + f"; {told}" * bool(told))
    if alone := int(differences["term"].is_null().sum()):
        print(f"  graded by them only: {alone:,}")
