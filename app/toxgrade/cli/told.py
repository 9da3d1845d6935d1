"""What a batch tells while it runs and at its end, on standard error: it disturbs no output."""

import sys
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toxgrade.criteria.model import Criteria
    from toxgrade.exports.grade_file import Progress
    from toxgrade.exports.run_report import Report

_EVERY = 10.0
_SHOWN = 10
_DECLARED_BY = {"value": "--decimal, --null", "limit": "--decimal, --null", "date": "--dates"}


@contextmanager
def progress() -> Iterator["Progress"]:
    """A line that moves on a terminal; elsewhere a plain line every ten seconds."""
    begun = told = monotonic()
    moving = sys.stderr.isatty()

    def tell(what: str, rows: int) -> None:
        nonlocal told
        now = monotonic()
        if moving or now - told >= _EVERY:
            told = now
            rate = f"{what}: {rows:,} rows, {now - begun:.0f} s"
            print(f"\r{rate:<60}" if moving else rate, end="" if moving else "\n", file=sys.stderr)

    yield tell
    if moving:
        print(f"\r{'':<60}\r", end="", file=sys.stderr)


def print_report(report: "Report", criteria: "Criteria", rejects: Path | None) -> None:
    """What came of it: a few lines a data manager acts on."""
    lines = [
        *(f"{name}: {how}" for name, how in report.read_as.items() if how != "CSV, UTF-8, commas"),
        f"{report.layout}: {report.rows:,} rows, {report.patients:,} patients",
        f"{report.entries:,} gradings: {report.graded:,} decided",
        *(f"  undecided, {reason}: {n:,}" for reason, n in report.undecided.items()),
    ]
    analytes = [name for a in criteria.analytes.values() for name in a.names]
    units = [unit.name for a in criteria.analytes.values() for unit in a.units]
    for what, counts, accepted in (
        ("analytes not graded", report.unknown_analytes, analytes),
        ("units not understood", report.unknown_units, units),
    ):
        if counts:
            shown = [_called(name, n, accepted) for name, n in list(counts.items())[:_SHOWN]]
            lines.append(f"{what} (rows): {_listed(shown, counts)}")
    for what, looks in report.unreadable.items():
        if looks:
            shown = [f"{look} {n:,}" for look, n in list(looks.items())[:_SHOWN]]
            listed, declare = _listed(shown, looks), _DECLARED_BY[what]
            lines.append(f"{what}s not understood, by their look: {listed}; see {declare}")
    if report.other_baselines:
        n = len(report.other_baselines)
        lines.append(f"baselines declared other than by date: {n:,}; the manifest lists them")
    if report.without_dates:
        lines.append(f"patients without treatment dates, phase unknown: {report.without_dates:,}")
    where = f" in {rejects.name}" if rejects else "; --rejects FILE lists them"
    lines.append(
        f"rows that could not be read: {report.rejected:,}" + where * bool(report.rejected)
    )
    print("\n".join(lines), file=sys.stderr)


def _listed(shown: list[str], of: Sized) -> str:
    return ", ".join(shown) + ", …" * (len(of) > len(shown))


def _called(name: str, rows: int, accepted: list[str]) -> str:
    """A name and its rows, with the accepted one that is near it."""
    from difflib import get_close_matches

    folded = {one.casefold(): one for one in accepted}
    near = get_close_matches(name.casefold(), folded, 1, cutoff=0.75)
    hint = f" (near {folded[near[0]]})" if near else ""
    return f"{name or '(empty)'} {rows:,}{hint}"
