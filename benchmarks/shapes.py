"""Grading exports of many shapes: CPU time against reading the same file and writing Parquet.

``TOXGRADE_BENCH_SHAPES=2000000 python -m benchmarks.shapes`` makes exports of so many rows; names
of shapes behind it choose some of them.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmarks.batch import FLOOR, TESTS, results, run

_ROWS = int(os.environ.get("TOXGRADE_BENCH_SHAPES", "2000000"))
_RUNS = 3
_PATIENTS, _MANY_PATIENTS, _MORE_COLUMNS = 10_000, 1_000_000, 50
_CREATININE = ("CREAT", ("mg/dL", "mg/dL"), "0.6", "1.2", (0.4, 6), 2)
_ELSEWHERE = (("usual, DuckDB", "in_duckdb"), ("usual, pandas", "in_pandas"))

Chance = np.random.Generator


class Shape(NamedTuple):
    """A change of the usual export, and how it is graded."""

    change: Callable[[pl.DataFrame, Chance], pl.DataFrame] = lambda usual, _: usual
    edition: str = "4.03"
    quoted: bool = False


def decimals(places: int) -> Callable[[pl.DataFrame, Chance], pl.DataFrame]:
    """Return the change to numbers of so many decimals, no two the same, as doubles print them."""

    def change(usual: pl.DataFrame, chance: Chance) -> pl.DataFrame:
        sign, number = pl.col("value").str.extract("(<?)"), pl.col("value").str.strip_chars("<")
        noise = pl.Series(chance.uniform(0, 1, len(usual)))
        exact = (number.cast(pl.Float64) + noise).round(places)
        return usual.with_columns(value=pl.concat_str(sign, exact.cast(pl.String)))

    return change


def own_ranges(usual: pl.DataFrame, chance: Chance) -> pl.DataFrame:
    """Return rows each with a range of its own, of four decimals."""
    wider = pl.Series(chance.uniform(1, 1.5, len(usual)))
    limits = (
        (pl.col(side).cast(pl.Float64, strict=False) * wider).round(4).cast(pl.String).fill_null("")
        for side in ("lln", "uln")
    )
    return usual.with_columns(limits)


def many_patients(usual: pl.DataFrame, chance: Chance) -> pl.DataFrame:
    """Return rows of a million patients with times of day to the second and no treatment dates."""
    who = pl.Series(chance.integers(0, _MANY_PATIENTS, len(usual)))
    at = pl.Series(chance.integers(0, 86_400, len(usual)) * 10**9).cast(pl.Time).cast(pl.String)
    return usual.drop("rt_start", "rt_end").with_columns(
        patient=pl.format("Q{}", who), collected=pl.format("{}T{}", "collected", at)
    )


def more_columns(usual: pl.DataFrame, chance: Chance) -> pl.DataFrame:
    """Return rows with 50 more columns, of which ten hold another text on each row."""
    some = pl.Series([f"some text {n}" for n in range(300)])
    return usual.with_columns(
        some.gather(chance.integers(0, 300, len(usual))).alias(f"more{n}")
        if n % 5
        else pl.Series(chance.integers(0, 1 << 62, len(usual))).cast(pl.String).alias(f"more{n}")
        for n in range(_MORE_COLUMNS)
    )


def censored(usual: pl.DataFrame, _: Chance) -> pl.DataFrame:
    """Return rows that all are below a limit of detection."""
    return usual.with_columns(pl.format("<{}", pl.col("value").str.strip_chars("<")).alias("value"))


SHAPES = {
    "usual": Shape(),
    "usual, 5.0": Shape(edition="5.0"),
    "usual, 6.0": Shape(edition="6.0"),
    "sorted by patient and date": Shape(lambda usual, _: usual.sort("patient", "collected")),
    "every field quoted": Shape(quoted=True),
    "50 more columns": Shape(more_columns),
    "4 decimals": Shape(decimals(4)),
    "6 decimals": Shape(decimals(6)),
    "9 decimals": Shape(decimals(9)),
    "9 decimals, 5.0": Shape(decimals(9), "5.0"),
    "9 decimals, 6.0": Shape(decimals(9), "6.0"),
    "15 decimals": Shape(decimals(15)),
    "15 decimals, 5.0": Shape(decimals(15), "5.0"),
    "a range per row": Shape(own_ranges),
    "a million patients with times": Shape(many_patients),
    "censored throughout": Shape(censored),
}


def main(*names: str) -> None:
    """Print a line for each shape: each run in a process of its own, in turn with its floor."""
    print(f"\nexports of {_ROWS:,} rows, CSV to Parquet, worst grades beside it; median of {_RUNS}")
    print(f"{'shape':<32}{'floor CPU s':>12}{'CPU s':>8}{'ratio':>8}{'peak GB':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder, toxgrade = Path(name), str(Path(sys.executable).parent / "toxgrade")
        files = [str(folder / file) for file in ("labs.csv", "graded.parquet", "worst.parquet")]
        labs, graded, worst = files
        for what in names or SHAPES:
            write(Path(labs), what, _ROWS)
            ours = (toxgrade, "grade", labs, "-o", graded, "--worst", worst)
            ways: dict[str, tuple[str, ...]] = {what: (*ours, "--edition", SHAPES[what].edition)}
            if what == "usual":
                for other, module in _ELSEWHERE:
                    ways[other] = (sys.executable, "-m", f"benchmarks.{module}", *files)
            _measure(ways, (sys.executable, "-c", FLOOR, labs, graded))


def _measure(ways: dict[str, tuple[str, ...]], floor: tuple[str, ...]) -> None:
    rounds = [{what: run(*command) for what, command in {"": floor, **ways}.items()}
              for _ in range(_RUNS)]  # fmt: skip
    least = median(one[""][0] for one in rounds)
    for what in ways:
        cpu, peak = (median(one[what][n] for one in rounds) for n in (0, 1))
        print(f"{what:<32}{least:>12.2f}{cpu:>8.2f}{cpu / least:>8.2f}{peak:>9.2f}", flush=True)


def write(path: Path, what: str, rows: int) -> None:
    """Write the export of a shape, a million rows at a time; the same in each run."""
    chance, shape = np.random.default_rng(7), SHAPES[what]
    starts = np.datetime64("2011-01-01") + chance.integers(0, 2000, _PATIENTS)
    tests = (*TESTS, _CREATININE)
    with path.open("wb") as file:
        for begin in range(0, rows, 1_000_000):
            patients = chance.integers(0, _PATIENTS, min(1_000_000, rows - begin))
            parts = [
                results(test, patients[number :: len(tests)], starts, chance)
                for number, test in enumerate(tests)
            ]
            usual = pl.concat(parts).sample(fraction=1, shuffle=True, seed=7)
            shape.change(usual, chance).write_csv(
                file, include_header=begin == 0,
                quote_style="always" if shape.quoted else "necessary",
            )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
