"""Grading whole exports: CPU time and memory, against reading the same file and writing Parquet.

``TOXGRADE_BENCH_ROWS=10000000 python -m benchmarks.batch`` takes a larger export.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_ROWS = int(os.environ.get("TOXGRADE_BENCH_ROWS", "1000000"))
_PATIENTS = 50_000
_TESTS = (
    ("ALT", ("U/L", "IU/L"), "", "40", (5, 200), 0),
    ("AST", ("U/L", "IU/L"), "", "40", (5, 200), 0),
    ("ALP", ("U/L", "U/L"), "30", "120", (20, 500), 0),
    ("TBIL", ("mg/dL", "mg/dL"), "0.2", "1.2", (0.1, 5), 1),
    ("ALB", ("g/L", "g/L"), "35", "50", (20, 55), 0),
    ("WBC", ("K/uL", "10*9/L"), "4", "10", (0.5, 15), 2),
    ("PLT", ("K/uL", "10*9/L"), "150", "400", (20, 500), 0),
)
_FLOOR = (
    "import polars as pl, sys;"
    "pl.scan_csv(sys.argv[1], infer_schema=False).sink_parquet(sys.argv[2])"
)


def main() -> None:
    """The floor and the whole command with worst grades, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_export(folder / "labs.csv")
        labs, toxgrade = str(folder / "labs.csv"), str(Path(sys.executable).parent / "toxgrade")
        floor = _run(sys.executable, "-c", _FLOOR, labs, str(folder / "floor.parquet"))
        ours = _run(
            toxgrade, "grade", labs, "-o", str(folder / "graded.parquet"),
            "--worst", str(folder / "worst.parquet"),
        )  # fmt: skip
    print(f"\nexports: {_ROWS:,} rows of {_PATIENTS:,} patients, CSV to Parquet")
    print(f"{'what':<52}{'CPU s':>8}{'rows/CPU s':>13}{'peak GB':>9}{'ratio':>8}")
    for what, (cpu, peak) in (("floor: polars, streamed", floor), ("toxgrade grade, worst", ours)):
        print(f"{what:<52}{cpu:>8.1f}{_ROWS / cpu:>13,.0f}{peak:>9.2f}{cpu / floor[0]:>8.2f}")


def _run(*command: str) -> tuple[float, float]:
    """CPU seconds and peak memory in GB of one process."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2


def _write_export(path: Path) -> None:
    """Visits in no order of patients, a million rows at a time."""
    chance = np.random.default_rng(7)
    starts = np.datetime64("2011-01-01") + chance.integers(0, 2000, _PATIENTS)
    with path.open("wb") as file:
        for begin in range(0, _ROWS, 1_000_000):
            patients = chance.integers(0, _PATIENTS, min(1_000_000, _ROWS - begin))
            parts = [
                _results(test, patients[number :: len(_TESTS)], starts, chance)
                for number, test in enumerate(_TESTS)
            ]
            rows = pl.concat(parts).sample(fraction=1, shuffle=True, seed=7)
            rows.write_csv(file, include_header=begin == 0)


def _results(test: Any, patients: Any, starts: Any, chance: np.random.Generator) -> pl.DataFrame:
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
