"""A batch whose workers are killed, and its database: every row once, as if nothing had happened.

Short here; ``make bench`` runs it with 200,000 rows and 20 kills.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from sqlalchemy import func, select

from tests import postgres
from tests.conftest import FULL, NewDatabase, missing
from tests.crash.running import until
from tests.exports.synthetic_export import write_export
from tests.server.jobs.stored import GRADERS
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.rules import Rules
from toxgrade.server.jobs.batches import Progress, Upload, create_batch, find_batch
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.service_tables import batch_tasks
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE

_ROWS, _KILLS = (200_000, 20) if FULL else (16_000, 3)
_BATCH = "0" * 32


@contextmanager
def _worker(url: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """``toxgrade worker``, whose tasks are another's after a second without a sign of life."""
    environment = {
        **os.environ, "TOXGRADE_DATABASE_URL": url, "TOXGRADE_LEASE_SECONDS": "1",
        "TOXGRADE_BATCHES_DIR": str(folder / "batches"),
    }  # fmt: skip
    program = Path(sys.executable).parent / "toxgrade"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([program, "worker"], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _upload(url: str, folder: Path) -> Path:
    """A batch as the service receives it."""
    store = UploadStore(folder / "batches", MACHINE)
    labs = store.open_folder(_BATCH) / "labs.csv"
    write_export(labs, _ROWS)
    offline = folder / "labs.csv"
    offline.write_bytes(labs.read_bytes())
    with transaction(url) as opened:
        create_batch(opened, "default", Upload(_BATCH, "-", "labs.csv", None, store.name))
    return offline


def _progress(url: str) -> Progress:
    with transaction(url) as opened:
        return find_batch(opened.read(), "default", _BATCH)


def _claims(url: str) -> int:
    """How often a worker has taken a task."""
    with transaction(url) as opened:
        return int(opened.connection.scalar(select(func.sum(batch_tasks.c.fence))) or 0)


def _check(url: str, folder: Path, offline: Path) -> None:
    """As many results as rows, all distinct, and all grades as ``toxgrade grade`` gives them."""
    ended = _progress(url)
    assert (ended.state, ended.rows_done, ended.rows_rejected) == ("done", _ROWS, 0)
    output = folder / "offline.parquet"
    grade_file(GradeFileRequest((str(offline),), output, Rules()), GRADERS)
    expected = pl.read_parquet(output)
    graded = pl.read_parquet(folder / "batches" / _BATCH / "grades.parquet")
    assert graded.select(expected.columns).equals(expected)
    columns = ["patient", "collected", "value", "term", "grade", "reason", "phase",
               "baseline_grade", "worse_than_baseline"]  # fmt: skip
    query = """SELECT p.name AS patient, r.collected, r.value, g.term, g.grade, g.reason, g.phase,
        g.baseline_grade, g.worse_than_baseline, r.id AS result, r.version
        FROM grades g JOIN results r ON g.result_id = r.id JOIN patients p ON r.patient_id = p.id"""
    engine = build_engine(url)
    stored = pl.read_database(query, engine, infer_schema_length=None)
    engine.dispose()
    assert stored["result"].n_unique() == _ROWS
    assert stored["version"].max() == 1
    wanted = expected.select(columns).sort(columns)
    found = stored.select(columns).with_columns(
        pl.col(name).cast(kind) for name, kind in wanted.schema.items()
    )
    assert found.sort(columns).equals(wanted)


def test_workers_killed_at_random_points(database_url: str, tmp_path: Path) -> None:
    offline = _upload(database_url, tmp_path)
    chance = random.Random(1)
    for _ in range(_KILLS):
        claims, done = _claims(database_url), _progress(database_url).rows_done
        with _worker(database_url, tmp_path) as worker:
            until(lambda before=claims: _claims(database_url) > before)  # type: ignore[misc]
            time.sleep(chance.random())
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        assert _progress(database_url).rows_done >= done
    with _worker(database_url, tmp_path), _worker(database_url, tmp_path):
        until(lambda: _progress(database_url).finished_at is not None, 600)
    _check(database_url, tmp_path, offline)


def test_postgresql_killed_while_workers_store(tmp_path: Path) -> None:
    programs = postgres.server_programs()
    if programs is None:
        missing("PostgreSQL's server (Debian: apt-get install postgresql)")
        return
    with postgres.cluster(programs) as cluster:
        url = cluster.url % "postgres"
        upgrade(url)
        offline = _upload(url, tmp_path)
        chance = random.Random(2)
        with _worker(url, tmp_path), _worker(url, tmp_path):
            for _ in range(max(1, _KILLS // 4)):
                time.sleep(1.5 + chance.random())
                cluster.kill()
                cluster.start()
            until(lambda: _progress(url).finished_at is not None, 600)
        _check(url, tmp_path, offline)


def test_a_worker_that_is_asked_to_stop_finishes_its_chunk(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    url = new_sqlite()
    _upload(url, tmp_path)
    with _worker(url, tmp_path) as worker:
        until(lambda: _progress(url).rows_done > 0, 60)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    done = _progress(url)
    with transaction(url) as opened:
        states = set(opened.connection.scalars(select(batch_tasks.c.state)))
    assert (done.state, states) == ("running", {"done", "waiting"})
