"""A service that stores batches, and the worker that the tests run by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from sqlalchemy import Engine

from tests.conftest import served
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.jobs import partition, worker
from toxgrade.server.jobs.cutting import DEFAULT_LIMITS, CutLimits
from toxgrade.server.jobs.partition import Cut, Partition
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.jobs.worker import Worker
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings
from toxgrade.tabular.declared_options import from_json

GRADERS = Graders(load())
HEADER = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end"


@dataclass(frozen=True)
class Stored:
    """The service, its database and its folder of uploads."""

    client: httpx.Client
    engine: Engine
    store: UploadStore

    def worker(self, lease: float = 30, limits: CutLimits = DEFAULT_LIMITS) -> Worker:
        return Worker(self.engine, MACHINE, GRADERS, self.store, lease, limits)

    def upload(self, text: str, study: str = "default", expect: int = 202) -> dict[str, Any]:
        answer = self.client.post(
            f"/v1/studies/{study}/batches",
            content=text.encode(),
            headers={"Content-Type": "text/csv; charset=utf-8"},
        )
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def work(self) -> None:
        """Do all there is to do."""
        worker = self.worker()
        while worker.step():
            pass

    def get(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def batch(self, batch_id: str, study: str = "default") -> dict[str, Any]:
        return self.get(f"/v1/studies/{study}/batches/{batch_id}")

    def done(self, text: str, study: str = "default") -> dict[str, Any]:
        """Upload, work, and answer how the batch ended."""
        queued = self.upload(text, study)
        self.work()
        return self.batch(queued["id"], study)

    def graded(self, batch_id: str, study: str = "default") -> pl.DataFrame:
        answer = self.client.get(f"/v1/studies/{study}/batches/{batch_id}/grades.parquet")
        assert answer.status_code == 200, answer.text
        return pl.read_parquet(BytesIO(answer.content))

    def grades(self, study: str, patient: str) -> list[dict[str, Any]]:
        """What is stored of a patient, but for what differs each time."""
        path = f"/v1/studies/{study}/patients/{patient}/grades?limit=1000"
        return [
            {name: g[name] for name in g if name not in ("id", "supersedes_id", "recorded_at")}
            for g in self.get(path)["grades"]
        ]


def cut_here(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Cut uploads in this process from now on, into chunks of about so many rows."""

    def cut(folder: Path, labs: str, patients: str | None, reading: str | None, *_: object) -> Cut:
        given = folder / patients if patients else None
        return Partition(folder, from_json(reading)).write(folder / labs, given)

    monkeypatch.setattr(partition, "CHUNK", rows)
    monkeypatch.setattr(worker, "cut_upload", cut)


@contextmanager
def stored(database_url: str, folder: Path, **settings: Any) -> Iterator[Stored]:
    given = {"auth": "off"} | settings
    chosen = Settings(database_url=database_url, batches_dir=folder, **given)
    engine = build_engine(database_url)
    with served(chosen) as client:
        yield Stored(client, engine, UploadStore(folder, MACHINE))
    engine.dispose()
