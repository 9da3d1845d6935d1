"""Grading files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.batches.grade import Report
    from app.grading.phase import Window


def grade(
    labs: Annotated[Path, typer.Argument(help="A CSV file: own columns, or SDTM LB.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .csv or .parquet file.")],
    patients: Annotated[Path | None, typer.Option(help="CSV: patient, rt_start, rt_end.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Rows that could not be read.")] = None,
    edition: Annotated[str, typer.Option(help="The edition of CTCAE.")] = "4.03",
    window: Annotated[
        str, typer.Option(help="paper, rtog90, end90, or such as end+3m, start+90d.")
    ] = "paper",
    strict: Annotated[bool, typer.Option(help="Exit with 1 if a row was rejected.")] = False,
) -> None:
    """Grade a lab export; every row comes out, with its grades or the reason why not."""
    from app.batches.grade import Batch, grade_file
    from app.criteria.reader import load
    from app.grading.one import Graders
    from app.grading.rules import Rules

    rules = Rules(edition, _window(window))
    batch = Batch(labs, output, rules, patients, rejects)
    report = grade_file(batch, Graders(load()))
    _print_report(report, rejects)
    if strict and report.rejected:
        raise typer.Exit(1)


def _window(text: str) -> "Window":
    """``end+3m`` or ``start+90d``, or the name of a preset."""
    import re

    from app.errors import RequestError
    from app.grading.phase import PRESETS, Window

    match = re.fullmatch(r"(end|start)\+([0-9]{1,4})([md])", text)
    if text in PRESETS:
        return PRESETS[text]
    try:
        if match is None:
            raise ValueError("not a window")
        length = {"m": "months", "d": "days"}[match[3]]
        return Window(match[1], **{length: int(match[2])})  # type: ignore[arg-type]
    except ValueError:
        known = ", ".join(PRESETS)
        raise RequestError(f"--window: expected {known}, or such as end+3m, start+90d") from None


def _print_report(report: "Report", rejects: Path | None) -> None:
    """What came of it, on standard error: a few lines a data manager acts on."""
    lines = [
        f"{report.layout}: {report.rows:,} rows, {report.patients:,} patients",
        f"{report.entries:,} gradings: {report.graded:,} decided",
        *(f"  undecided, {reason}: {n:,}" for reason, n in report.undecided.items()),
    ]
    for what, counts in (
        ("analytes not graded", report.unknown_analytes),
        ("units not understood", report.unknown_units),
    ):
        if counts:
            shown = ", ".join(f"{name or '(empty)'} {n:,}" for name, n in list(counts.items())[:10])
            lines.append(f"{what} (rows): {shown}{', …' if len(counts) > 10 else ''}")
    if report.without_dates:
        lines.append(f"patients without treatment dates, phase unknown: {report.without_dates:,}")
    where = f" in {rejects.name}" if rejects else "; --rejects FILE lists them"
    lines.append(
        f"rows that could not be read: {report.rejected:,}" + where * bool(report.rejected)
    )
    print("\n".join(lines), file=sys.stderr)
