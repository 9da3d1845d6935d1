"""Several processes on one database: exactly once, no update lost, no lock that is given up."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import httpx
from sqlalchemy import func, select

from tests.conftest import NewDatabase
from tests.crash.running import running
from tests.server.api.panels import panel, value
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.api.lab_values import LabValue
from toxgrade.server.records.audit_log import AuditAction
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.change import Submission
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import results
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.store import store
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import MACHINE

_CALLS, _WRITERS, _UPDATES = 100, 8, 15


def test_one_key_at_two_processes_is_stored_once(database_url: str, tmp_path: Path) -> None:
    path, key = "/v1/studies/default/patients/P1/results", {"Idempotency-Key": "k1"}
    with running(database_url, tmp_path) as one, running(database_url, tmp_path) as two:

        def call(i: int) -> httpx.Response:
            server = (one, two)[i % 2]
            return httpx.post(server.url + path, json=panel(), headers=key, timeout=60)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(call, range(_CALLS)))
    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    replayed = Counter("Idempotency-Replayed" in a.headers for a in answers)
    assert replayed == {True: _CALLS - 1, False: 1}
    with transaction(database_url) as opened:
        assert opened.connection.scalar(select(func.count()).select_from(results)) == 1
        assert list(verify(opened.read(), MACHINE.now())) == []


def _correct(url: str, number: int) -> None:
    """What one process does: correct the result, again and again, each time to another value."""
    graders, writer = Graders(load()), Writer(build_engine(url), MACHINE)
    act = AuditAction(f"process {number}", "correct", "default", "P1", None, None)
    for i in range(_UPDATES):
        changed = LabValue.model_validate(value(value=f"1.{number}{i:02}")).result()
        sent = Submission("default", "P1", ((("results", 0), changed),), None)
        writer.submit(partial(store, submission=sent, graders=graders), act).result()
    writer.close()


def test_eight_writers_on_sqlite_lose_no_update(new_sqlite: NewDatabase) -> None:
    """Every correction is a version of its own, and none was given up for a lock."""
    url = new_sqlite()
    with ProcessPoolExecutor(_WRITERS, get_context("spawn")) as pool:
        list(pool.map(_correct, [url] * _WRITERS, range(_WRITERS)))
    with transaction(url) as opened:
        versions = sorted(opened.connection.scalars(select(results.c.version)))
        assert list(verify(opened.read(), MACHINE.now())) == []
    assert versions == list(range(1, _WRITERS * _UPDATES + 1))
