"""Panels stored beside a part of their patients against all results graded again: no difference.

The requests are random, from fixed seeds, and nearly as odd as a test can make them; every answer
and every row of both databases is compared.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests import postgres
from tests.server.records.twins import compare
from toxgrade.server.records.schema import upgrade

_SEEDS, _REQUESTS = range(100, 120), 250


def main() -> bool:
    """Print what was sent to each database, and how much of it took the short way; return whether
    nothing differed.
    """
    held = True
    print(f"\nPanels beside a part of their patients: {len(_SEEDS) * _REQUESTS:,} requests each")
    with tempfile.TemporaryDirectory() as folder:
        with _sqlite(Path(folder)) as new:
            held = _compare("SQLite", new) and held
        if (programs := postgres.server_programs()) is None:
            print("PostgreSQL is not installed")
            return held
        with _postgresql(programs) as new:
            held = _compare("PostgreSQL", new) and held
    return held


def _compare(name: str, new: Callable[[], str]) -> bool:
    counts, differing = Counter[str](), 0
    for seed in _SEEDS:
        try:
            counts += compare(new, seed, _REQUESTS)
        except AssertionError as error:
            differing += 1
            print(f"  {str(error)[:2_000]}")
    told = ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items()))
    print(f"{name}: {told}; seeds with a difference: {differing}")
    return not differing


@contextmanager
def _sqlite(folder: Path) -> Iterator[Callable[[], str]]:
    numbers = count()

    def new() -> str:
        url = f"sqlite:///{folder / str(next(numbers))}.db"
        upgrade(url)
        return url

    yield new


@contextmanager
def _postgresql(programs: Path) -> Iterator[Callable[[], str]]:
    numbers = count()
    with postgres.cluster(programs) as cluster:

        def new() -> str:
            name = f"twin{next(numbers)}"
            with cluster.connect() as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            upgrade(cluster.url % name)
            return cluster.url % name

        yield new


if __name__ == "__main__":
    main()
