"""How fast files are graded, against reading the same file and writing it as Parquet."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from toxgrade.criteria.model import Edition
from toxgrade.criteria.reader import load
from toxgrade.grading.columns.patient import grade_rows
from toxgrade.grading.grader import TermGrader
from toxgrade.grading.parse import COLUMNS
from toxgrade.grading.rules import Graders, Rules

_ROWS, _PER_PATIENT = 1_000_000, 80
_PANEL = [
    ("ALT", "U/L", "", "40", 5, 200, 0), ("AST", "U/L", "", "40", 5, 200, 0),
    ("ALP", "U/L", "30", "120", 20, 500, 0), ("GGT", "U/L", "", "60", 5, 400, 0),
    ("TBIL", "mg/dL", "0.2", "1.2", 0.1, 5, 1), ("ALB", "g/L", "35", "50", 20, 55, 0),
    ("WBC", "K/uL", "4", "10", 0.5, 15, 2), ("PLT", "K/uL", "150", "400", 20, 500, 0),
]  # fmt: skip


def main() -> None:
    """Rows per second of the grader in memory, and of the whole command against its floor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_labs(folder / "labs.csv")
        frame = pl.read_csv(folder / "labs.csv", infer_schema=False)
        rows = frame.with_columns(
            pl.col("rt_start", "rt_end").str.to_date(),
            *(pl.lit(None, dtype=pl.String).alias(n) for n in COLUMNS if n not in frame.columns),
        )
        grader = Graders(load()).for_rules(Rules())
        kernel = _best(lambda: grade_rows(rows, grader, Rules().window))
        few = _panel_alone(grader.edition)
        panel = _best(lambda: grade_rows(rows, few, Rules().window))
        floor = _best(lambda: _read_and_write(folder))
        command = _best(lambda: _command(folder), runs=2)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"\nfiles: {_ROWS:,} rows, best of several runs")
    print(f"{'what':<48}{'seconds':>9}{'rows/s':>12}{'ratio':>8}")
    for what, seconds in (
        ("floor: read CSV, write Parquet (polars)", floor),
        ("grade_rows, in memory", kernel),
        (f"grade_rows, with {len(few.edition.terms)} terms loaded, not all", panel),
        ("toxgrade grade, CSV to Parquet, whole command", command),
    ):
        print(f"{what:<48}{seconds:>9.2f}{_ROWS / seconds:>12,.0f}{seconds / floor:>8.2f}")
    print(f"all terms loaded: {kernel / panel:.2f} x the time with {len(few.edition.terms)}")
    print(f"peak memory of the command: {peak:.2f} GB")


def _panel_alone(edition: Edition) -> TermGrader:
    """A grader of the panel's nine terms alone: what all the others cost is measured against it."""
    analytes = load().analytes
    names = TermGrader(edition, analytes).names
    mine = {found.name: found for row in _PANEL if (found := names.analyte(row[0]))}
    terms = tuple(term for term in edition.terms if term.analyte in mine)
    return TermGrader(replace(edition, terms=terms), mine)


def _write_labs(path: Path) -> None:
    """A made-up export: patients one after the other, eight tests at ten times each."""
    chance = random.Random(7)
    lines = ["patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end"]
    for patient in range(_ROWS // _PER_PATIENT):
        start = date(2011, 1, 1) + timedelta(days=chance.randrange(2000))
        course = f"{start},{start + timedelta(days=35)}"
        for visit in range(_PER_PATIENT // len(_PANEL)):
            day = start + timedelta(days=21 * visit - 14)
            for analyte, unit, lln, uln, low, high, places in _PANEL:
                value = f"{chance.uniform(low, high):.{places}f}"
                lines.append(f"P{patient:06},{day},{analyte},{value},{unit},{lln},{uln},{course}")
    path.write_text("\n".join(lines) + "\n")


def _read_and_write(folder: Path) -> None:
    pl.read_csv(folder / "labs.csv").write_parquet(folder / "floor.parquet")


def _command(folder: Path) -> None:
    arguments = ["grade", str(folder / "labs.csv"), "-o", str(folder / "out.parquet")]
    program = Path(sys.executable).parent / "toxgrade"
    subprocess.run([program, *arguments], check=True, stderr=subprocess.DEVNULL)


def _best(run: Callable[[], object], runs: int = 4) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
