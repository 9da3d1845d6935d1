"""Grading whole exports: CPU time and memory, against reading the same file and writing Parquet.

Beside it the same grades in SQL by DuckDB and in pandas; how many rows they grade otherwise.
``TOXGRADE_BENCH_EXPORTS=1000000,10000000,30000000 python -m benchmarks.batch`` takes other exports.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

_ROWS = os.environ.get("TOXGRADE_BENCH_EXPORTS", "1000000,10000000")
_PATIENTS = 50_000
_MOST_ELSEWHERE = 10_000_000  # the others hold everything in memory: about 6 GB then
TESTS = (
    ("ALT", ("U/L", "IU/L"), "", "40", (5, 200), 0),
    ("AST", ("U/L", "IU/L"), "", "40", (5, 200), 0),
    ("ALP", ("U/L", "U/L"), "30", "120", (20, 500), 0),
    ("TBIL", ("mg/dL", "mg/dL"), "0.2", "1.2", (0.1, 5), 1),
    ("ALB", ("g/L", "g/L"), "35", "50", (20, 55), 0),
    ("WBC", ("K/uL", "10*9/L"), "4", "10", (0.5, 15), 2),
    ("PLT", ("K/uL", "10*9/L"), "150", "400", (20, 500), 0),
)
FLOOR = (
    "import polars as pl, sys;"
    "pl.scan_csv(sys.argv[1], infer_schema=False).sink_parquet(sys.argv[2])"
)


def main() -> None:
    """Starting up, then each size in turn, each way in a process of its own."""
    _start_up()
    for rows in map(int, _ROWS.split(",")):
        with tempfile.TemporaryDirectory() as name:
            _measure(rows, Path(name))


def _start_up() -> None:
    """The median of 15 whole processes each, in milliseconds."""
    toxgrade = str(Path(sys.executable).parent / "toxgrade")
    with tempfile.TemporaryDirectory() as name:
        labs, output = f"{name}/labs.csv", f"{name}/graded.csv"
        _write_export(Path(labs), 1000)
        commands = {
            "python -c 'import polars'": (sys.executable, "-c", "import polars"),
            "toxgrade --help": (toxgrade, "--help"),
            "toxgrade grade, 1,000 rows": (toxgrade, "grade", labs, "-o", output),
        }
        print("\nstarting up, whole processes" + " " * 22 + "ms")
        for what, command in commands.items():
            print(f"{what:<44}{median(_wall(*command) for _ in range(15)) * 1000:>8.0f}")


def _wall(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def _measure(rows: int, folder: Path) -> None:
    _write_export(folder / "labs.csv", rows)
    labs, python = str(folder / "labs.csv"), sys.executable
    floor = _usual(python, "-c", FLOOR, labs, str(folder / "floor.parquet"))
    print(f"\nexports: {rows:,} rows of {_PATIENTS:,} patients, CSV to Parquet")
    print(f"{'what':<44}{'CPU s':>8}{'rows/CPU s':>13}{'peak GB':>9}{'ratio':>8}{'differ':>8}")
    _tell("floor: polars, streamed", rows, floor, floor, "")
    ours = folder / "ours.parquet"
    side = ("--worst", str(folder / "worst.parquet"))
    toxgrade = str(Path(python).parent / "toxgrade")
    _tell("toxgrade grade", rows, _usual(toxgrade, "grade", labs, "-o", str(ours)), floor, "")
    both = _usual(toxgrade, "grade", labs, "-o", str(ours), *side)
    _tell("toxgrade grade, worst grades beside it", rows, both, floor, "")
    if rows > _MOST_ELSEWHERE:
        return
    for what, module in (("DuckDB, SQL", "in_duckdb"), ("pandas, by column", "in_pandas")):
        theirs = folder / f"{module}.parquet"
        used = run(python, "-m", f"benchmarks.{module}", labs, str(theirs), side[1])
        differ = f"{_differ(ours, theirs):,}"
        _tell(f"{what}, worst grades beside it", rows, used, floor, differ)
        theirs.unlink()


def _tell(
    what: str, rows: int, used: tuple[float, float], floor: tuple[float, float], differ: str
) -> None:
    (cpu, peak), ratio = used, used[0] / floor[0]
    print(f"{what:<44}{cpu:>8.1f}{rows / cpu:>13,.0f}{peak:>9.2f}{ratio:>8.2f}{differ:>8}")


def _differ(ours: Path, theirs: Path) -> int:
    """The gradings in which two graders disagree; they must be of the same rows and terms."""
    keys = [pl.col("row").cast(pl.Int64), pl.col("term").cast(pl.String)]
    grades = (
        *(pl.col(name).cast(pl.Int8) for name in ("at_least", "at_most", "baseline_grade")),
        pl.col("phase").cast(pl.String),
        *(pl.col(name).cast(pl.Boolean) for name in ("on_treatment", "worse_than_baseline")),
    )
    frames = [pl.scan_parquet(path).select(*keys, *grades) for path in (ours, theirs)]
    left, right = (frame.sort("row", "term").collect() for frame in frames)
    assert left.select("row", "term").equals(right.select("row", "term"))
    otherwise = (left[name].ne_missing(right[name]) for name in left.columns[2:])
    return int(left.select(pl.any_horizontal(otherwise).sum()).item())


def _usual(*command: str) -> tuple[float, float]:
    """The median of three runs each, of what one run of a short floor would decide."""
    times, peaks = zip(*(run(*command) for _ in range(3)), strict=True)
    return median(times), median(peaks)


def run(*command: str) -> tuple[float, float]:
    """CPU seconds and peak memory in GB of one process.

    Its own memory, asked for fifty times a second: pages of a mapped file are the system's to drop.
    """
    process, peak = subprocess.Popen(command, stderr=subprocess.DEVNULL), 0
    said = Path(f"/proc/{process.pid}/status")
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        found = re.search(r"RssAnon:\s+(\d+)", said.read_text())
        peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.02)
    _, status, used = ended
    assert status == 0, command
    return used.ru_utime + used.ru_stime, peak / 1024**2


def _write_export(path: Path, rows: int) -> None:
    """Visits in no order of patients, a million rows at a time."""
    chance = np.random.default_rng(7)
    starts = np.datetime64("2011-01-01") + chance.integers(0, 2000, _PATIENTS)
    with path.open("wb") as file:
        for begin in range(0, rows, 1_000_000):
            patients = chance.integers(0, _PATIENTS, min(1_000_000, rows - begin))
            parts = [
                results(test, patients[number :: len(TESTS)], starts, chance)
                for number, test in enumerate(TESTS)
            ]
            export = pl.concat(parts).sample(fraction=1, shuffle=True, seed=7)
            export.write_csv(file, include_header=begin == 0)


def results(test: Any, patients: Any, starts: Any, chance: np.random.Generator) -> pl.DataFrame:
    """One result of a test for each of ``patients``: 2.5 % censored, 3 % without limits."""
    analyte, units, lln, uln, (low, high), places = test
    n, start = len(patients), starts[patients]
    value = pl.Series(chance.uniform(low, high, n)).round(places)
    text = value.cast(pl.String if places else pl.Int64).cast(pl.String)
    limits = chance.random(n) > 0.03
    return pl.DataFrame(
        {
            "patient": "P" + pl.Series(patients).cast(pl.String),
            "collected": start + chance.integers(-30, 300, n),
            "analyte": [analyte] * n,
            "value": pl.Series(np.where(chance.random(n) < 0.025, "<", "")) + text,
            "unit": np.asarray(units)[(chance.random(n) < 0.2).astype(int)],
            "lln": np.where(limits, lln, ""),
            "uln": np.where(limits, uln, ""),
            "rt_start": start,
            "rt_end": start + 35,
        }
    )


if __name__ == "__main__":
    main()
