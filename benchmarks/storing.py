"""How fast a batch is stored, against the database's own fastest way to take the same rows."""

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import psycopg
from sqlalchemy import Engine, func, select

from tests import postgres
from tests.exports.synthetic_export import write_export
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs.chunk import StoredChunk
from toxgrade.server.jobs.partition import Partition
from toxgrade.server.process import collect_rarely
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import grades, patients, results, treatments
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE

_ROWS = int(os.environ.get("TOXGRADE_BENCH_ROWS", "200000"))
_GRADERS = Graders(load())
_TABLES = (patients, treatments, results, grades)
Seen = dict[str, int]
"""The highest id of each table before a chunk was stored."""


def main() -> None:
    """Seconds of storing a batch of new patients, and the ratio to a floor on the same server."""
    collect_rarely()  # as a worker does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_export(folder / "labs.csv", _ROWS)
        sizes = Partition(folder).write(folder / "labs.csv", None).rows
        print(f"\nstoring: {_ROWS:,} results of new patients in {len(sizes)} chunks, with grades")
        print(f"{'what':<58}{'seconds':>9}{'rows/s':>10}{'ratio':>8}")
        _sqlite(folder, len(sizes))
        if (programs := postgres.server_programs()) is None:
            print("PostgreSQL: no server here")
            return
        with postgres.cluster(programs, durable=True) as cluster:
            _postgresql(folder, len(sizes), cluster)


def _sqlite(folder: Path, chunks: int) -> None:
    for name in ("ours", "floor"):
        upgrade(f"sqlite:///{folder / name}.db")
    engine = build_engine(f"sqlite:///{folder / 'ours.db'}")
    reads = sqlite3.connect(folder / "ours.db", isolation_level=None)
    writes = sqlite3.connect(folder / "floor.db", isolation_level=None)
    writes.execute("PRAGMA synchronous=FULL")

    def copied(seen: Seen) -> Callable[[], None]:
        rows = {
            t: reads.execute(f"SELECT * FROM {t} WHERE id > {seen[t]}").fetchall() for t in seen
        }

        def floor() -> None:
            writes.execute("BEGIN IMMEDIATE")
            for table, found in rows.items():
                marks = ", ".join("?" * len(found[0]))
                writes.executemany(f"INSERT INTO {table} VALUES ({marks})", found)
            writes.execute("COMMIT")

        return floor

    _compare("SQLite", "executemany of the same tuples", folder, chunks, engine, copied)


def _postgresql(folder: Path, chunks: int, cluster: postgres.Cluster) -> None:
    for name in ("ours", "floor"):
        with cluster.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        upgrade(cluster.url % name)
    reads, writes = (
        psycopg.connect(host=str(cluster.folder), user="toxgrade", dbname=name)
        for name in ("ours", "floor")
    )

    def copied(seen: Seen) -> Callable[[], None]:
        encoded = {}
        for table, last in seen.items():
            new = f"COPY (SELECT * FROM {table} WHERE id > {last}) TO STDOUT (FORMAT BINARY)"
            with reads.cursor().copy(new.encode()) as copy:
                encoded[table] = b"".join(bytes(piece) for piece in copy)
        reads.rollback()

        def floor() -> None:
            for table, data in encoded.items():
                into = f"COPY {table} FROM STDIN (FORMAT BINARY)"
                with writes.cursor().copy(into.encode()) as copy:
                    copy.write(data)
            writes.commit()

        return floor

    engine = build_engine(cluster.url % "ours")
    _compare("PostgreSQL", "binary COPY of the same bytes", folder, chunks, engine, copied)
    reads.close()
    writes.close()


def _compare(
    database: str,
    how: str,
    folder: Path,
    chunks: int,
    engine: Engine,
    copied: Callable[[Seen], Callable[[], None]],
) -> None:
    """Chunk by chunk: grade, store, then the floor with the very rows that this has added."""
    grading = storing = floor = 0.0
    for number in range(chunks):
        with engine.begin() as connection:
            seen = {t.name: connection.scalar(select(func.max(t.c.id))) or 0 for t in _TABLES}
        whole, committing = _store(Partition(folder).read(number), engine)
        grading, storing = grading + whole - committing, storing + committing
        floor += _timed(copied(seen))
    for what, seconds in (
        (f"{database}, floor: {how}", floor),
        ("  storing step: ids, rows, grades; a commit for each piece", storing),
        ("  the whole: reading, grading, storing, one worker", grading + storing),
    ):
        print(f"{what:<58}{seconds:>9.2f}{_ROWS / seconds:>10,.0f}{seconds / floor:>8.2f}")
    frames = [*Partition(folder).read(0)]
    (whole, committing), rows = _store(frames, engine), sum(map(len, frames))
    for what, seconds in (("the whole", whole), ("in transactions", committing)):
        text = f"  merging {rows:,} rows of known patients, {what}"
        print(f"{text:<58}{seconds:>9.2f}{rows / seconds:>10,.0f}")
    engine.dispose()


def _store(frames: Iterable[pl.DataFrame], engine: Engine) -> tuple[float, float]:
    """Store a chunk; the seconds of the whole, and of the transactions."""
    begun, committing = time.perf_counter(), 0.0
    for piece in StoredChunk(frames, engine, MACHINE, "default", _GRADERS).pieces():
        start = time.perf_counter()
        with begin(engine, MACHINE) as transaction:
            piece.store(transaction)
        piece.is_stored = True
        committing += time.perf_counter() - start
    return time.perf_counter() - begun, committing


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
