"""How many gradings of rows of which something is unknown are looser than what is known, or wrong.

``python -m benchmarks.hull [ROWS] [PROCESSES]``: rows of all editions together, and processes.
"""

import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from tests.grading import hull_oracle, oracle
from tests.grading.both_graders import by_column, one_by_one
from toxgrade.grading.rules import Graders, Rules

_CHUNK = 2_000
_OUTCOMES = ("wrong", "looser", "equal", "refused")


def main(rows: int = 200_000, processes: int | None = None) -> None:
    """Compare both graders' bounds with those over every possible value of what is unknown."""
    editions = list(oracle.CRITERIA.editions)
    sizes = [min(_CHUNK, rows - first) for first in range(0, rows, _CHUNK)]
    chunks = [(editions[i % len(editions)], size, i) for i, size in enumerate(sizes)]
    totals: dict[tuple[str, str], Counter[str]] = {}
    with ProcessPoolExecutor(processes or cpu_count()) as pool:
        for (edition, size, _), found in zip(chunks, pool.map(_compared, chunks), strict=True):
            for name, counts in found.items():
                counts["rows"] = size
                totals.setdefault((edition, name), Counter()).update(counts)
    print("hull: limits, baselines, signs and flags taken away, against every value they may have")
    print(f"{'edition, grader':<34}{'rows':>11}" + "".join(f"{name:>11}" for name in _OUTCOMES))
    for (edition, name), counts in sorted(totals.items()):
        figures = "".join(f"{counts[outcome]:>11,}" for outcome in ("rows", *_OUTCOMES))
        print(f"{f'{edition}, {name}':<34}{figures}")


def _compared(chunk: tuple[str, int, int]) -> dict[str, Counter[str]]:
    """Return how often each grader's bounds are those of the oracle, for one chunk of rows."""
    edition, size, seed = chunk
    rows = hull_oracle.partly_known_rows(oracle.CRITERIA.edition(edition), size, seed)
    grader = Graders(oracle.CRITERIA).for_rules(Rules(edition))
    hulls: dict[object, tuple[int, int]] = {}
    totals = {}
    for name, found in (
        ("one by one", one_by_one(rows, grader)),
        ("column by column", by_column(rows, grader)),
    ):
        counts = totals[name] = Counter[str]()
        for one in found:
            if one.at_least is None or one.at_most is None or one.reason == "implausible-limit":
                counts["refused"] += 1
                continue
            key = one.row, one.term.name, one.own
            if key not in hulls:
                hulls[key] = hull_oracle.hull(edition, one.row, one.term, own=one.own)
            least, most = hulls[key]
            equal = (one.at_least, one.at_most) == (least, most)
            looser = one.at_least <= least and most <= one.at_most
            counts["equal" if equal else "looser" if looser else "wrong"] += 1
    return totals


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))
