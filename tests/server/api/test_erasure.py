"""Of a patient who was erased nothing is left in any file, by whichever door it came."""

from collections.abc import Callable
from pathlib import Path

import httpx
import polars as pl
import pytest

from tests.conftest import NewDatabase, served
from tests.fhir.resources import ENCODER, bundle, observation, parameters
from tests.server.api.panels import panel, value
from tests.server.jobs.stored import GRADERS, HEADER
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.jobs.worker import Worker
from toxgrade.server.records.db.engine import build_engine, empty_write_ahead_log
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_CANARY = "ZAPHOD-4711"
_STUDY = "/v1/studies/default"
_KEY = {"Idempotency-Key": "k1"}
_ORU = f"""MSH|^~\\&|LIS|LAB|EHR|WARD|20110424101500+0200||ORU^R01^ORU_R01|42|P|2.5.1
PID|1||P1^^^STUDY
OBR|1||{_CANARY}|24325-3^Hepatic function panel^LN|||20110423
OBX|1|NM|1975-2^Bilirubin^LN||1.8|mg/dL|0.2-1.2|H|||F
""".replace("\n", "\r")


def _results(client: httpx.Client) -> httpx.Response:
    body = panel(value(source_id=_CANARY, lab=_CANARY))
    return client.post(f"{_STUDY}/patients/P1/results", json=body, headers=_KEY)


def _event(client: httpx.Client) -> httpx.Response:
    _results(client)
    body = {"term": "Nausea", "grade": 2, "onset": "2011-02-01", "source_id": f"{_CANARY}-event"}
    key = {"Idempotency-Key": "k2"}
    return client.post(f"{_STUDY}/patients/P1/events", json=body, headers=key)


def _death(client: httpx.Client) -> httpx.Response:
    body = {"last_contact": "2012-01-01", "vital_status": "dead", "cause": _CANARY}
    _results(client)
    return client.put(f"{_STUDY}/patients/P1", json=body)


def _withdrawal(client: httpx.Client) -> httpx.Response:
    (grade,) = _results(client).json()["grades"]
    path = f"{_STUDY}/patients/P1/grades/{grade['id']}/withdrawal"
    return client.post(path, json={"reason": "wrong patient"}, headers={"Idempotency-Key": "k2"})


def _fhir(client: httpx.Client) -> httpx.Response:
    body = parameters(bundle(observation(id=_CANARY)), persist=True, patient="P1")
    media = {"Content-Type": "application/fhir+json"}
    return client.post("/fhir/$ctcae-grade", content=ENCODER.encode(body), headers=_KEY | media)


def _hl7(client: httpx.Client) -> httpx.Response:
    media = {"Content-Type": "application/hl7-v2"}
    return client.post("/hl7v2?study=default", content=_ORU.encode(), headers=_KEY | media)


def _upload(client: httpx.Client) -> httpx.Response:
    row = "2011-04-23,ALT,90,U/L,,40,,"
    text = f"{HEADER},note\nP1,{row},{_CANARY}\nP2,{row},somebody else's\n"
    media = {"Content-Type": "text/csv"}
    return client.post(f"{_STUDY}/batches", content=text.encode(), headers=_KEY | media)


@pytest.mark.parametrize("checkpointed", [True, False])
@pytest.mark.parametrize("send", [_results, _event, _death, _withdrawal, _fhir, _hl7, _upload])
def test_nothing_is_left(
    new_sqlite: NewDatabase,
    tmp_path: Path,
    send: Callable[[httpx.Client], httpx.Response],
    checkpointed: bool,
) -> None:
    """``checkpointed``: what is to be erased stands in SQLite's file, else in its log."""
    url, folder = new_sqlite(), tmp_path / "batches"
    file, engine = Path(url.removeprefix("sqlite:///")), build_engine(url)

    def found() -> list[str]:
        files = [*file.parent.glob(f"{file.name}*"), *folder.rglob("*.*")]
        return [path.name for path in files if _CANARY in _texts(path)]

    with served(Settings(database_url=url, auth="off", batches_dir=folder)) as client:
        for patient in ("P0", "P3"):
            client.post(f"{_STUDY}/patients/{patient}/results", json=panel(value()))
        assert send(client).status_code in (200, 201, 202)
        if folder.exists():
            worker = Worker(engine, MACHINE, GRADERS, UploadStore(folder, MACHINE), 30)
            while worker.step():
                pass
        if checkpointed:
            empty_write_ahead_log(engine)
        assert found()
        tag = {"If-Match": client.get(f"{_STUDY}/patients/P1").headers["ETag"]}
        why = {"reason": "request under article 17"}
        path = f"{_STUDY}/patients/P1"
        assert client.request("DELETE", path, json=why, headers=tag).status_code == 200
        assert found() == []
        assert folder.exists() == (send is _upload), "it is not asked for where nobody uploaded"
    engine.dispose()


def _texts(path: Path) -> str:
    """Of a file whatever could be read in it."""
    if path.suffix == ".parquet":
        return str(pl.read_parquet(path).rows())
    return path.read_bytes().decode("latin-1")
