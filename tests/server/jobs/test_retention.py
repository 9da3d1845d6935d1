"""What stays of a stored batch, and for how long: graded rows until they are removed, uploads until
the batch has ended, and nothing of a patient who was erased.
"""

import os
import threading
import uuid

import httpx
import polars as pl
import pytest

from tests.server.jobs.stored import HEADER, Stored

_TREATED = "2011-01-24,2011-03-09"
_LABS = f"""{HEADER},note
P1,2011-01-20,bilirubin,0.9,mg/dL,0.2,1.2,{_TREATED},first
P2,2011-08-01,WBC,2.8,K/uL,4,10,,,
P1,2011-04-23,TBIL,1.8,mg/dL,0.2,1.2,{_TREATED},
"""
_EARLIER = f"""{HEADER},note
P1,2011-01-22,bilirubin,1.3,mg/dL,0.2,1.2,{_TREATED},
P1,2011-02-28,ALT,90,U/L,,40,{_TREATED},
"""


def _kept(service: Stored, batch_id: str) -> set[str]:
    return {path.name for path in service.store.folder(batch_id).iterdir()}


_GRADED_ROWS = {"grades.parquet", "patients-of-grades.parquet"}


def test_what_was_uploaded_goes_when_the_batch_has_ended(service: Stored) -> None:
    ended = service.done(_LABS)
    assert _kept(service, ended["id"]) == _GRADED_ROWS
    failed = service.done("a,b,c\n1,2,3\n")
    assert not service.store.folder(failed["id"]).exists()


def test_what_somebody_who_was_killed_left_goes_after_a_day(service: Stored) -> None:
    """Whatever is in that folder, of batches only; and never of one that is to be stored yet."""
    ended, other = service.done(_LABS)["id"], service.store.root / "somebody-else-s"
    failed = service.done("a,b,c\n1,2,3\n")["id"]
    waiting = service.upload(_LABS + _LABS.splitlines()[1])["id"]
    broke_off, empty, new = (uuid.uuid4().hex for _ in range(3))
    folders = [service.store.folder(name) for name in (ended, failed, broke_off, empty, waiting)]
    for folder in (*folders, other, service.store.folder(new)):
        folder.mkdir(exist_ok=True)
        if folder.name != empty:
            (folder / "labs.csv").write_text("a patient's")
    for folder in (*folders, other):
        os.utime(folder, (0, 0))
    service.worker().sweep()
    assert _kept(service, ended) == _GRADED_ROWS
    assert {path.name for path in service.store.root.iterdir()} == {
        "name", "somebody-else-s", ended, waiting, new
    }  # fmt: skip
    assert "labs.csv" in _kept(service, waiting)


def _erase(service: Stored, patient: str) -> httpx.Response:
    path = f"/v1/studies/default/patients/{patient}"
    tag = {"If-Match": service.client.get(path).headers["ETag"]}
    return service.client.request("DELETE", path, json={"reason": "asked for"}, headers=tag)


def _whose(service: Stored, batch_id: str) -> set[str]:
    """Patients whose rows are in the graded rows, and in the file that tells whose they are."""
    listed = pl.read_parquet(service.store.patients_of_grades(batch_id))["patient"]
    found = set(service.graded(batch_id)["patient"])
    assert set(listed) == found
    return found


def test_who_is_erased_is_erased_from_the_graded_rows_too(service: Stored) -> None:
    first, second = service.done(_LABS)["id"], service.done(_LABS.replace("P2", "P3"))["id"]
    of_p3 = service.graded(second).filter(patient="P3")
    assert _whose(service, first) == {"P1", "P2"}
    under_way = service.upload(_EARLIER.replace("P1", "P4"))["id"]
    refused = _erase(service, "P1")
    assert (refused.status_code, "being stored" in refused.text) == (409, True)
    assert _whose(service, first) == {"P1", "P2"}
    service.work()
    assert _erase(service, "P1").status_code == 200
    assert [_whose(service, each) for each in (first, second, under_way)] == [
        {"P2"}, {"P3"}, {"P4"}
    ]  # fmt: skip
    assert service.graded(second).equals(of_p3)
    again = service.done(_EARLIER + _LABS.splitlines()[2])["id"]
    assert _whose(service, again) == {"P2"}, "what is sent again of one who was erased"
    rejects = service.get(f"/v1/studies/default/batches/{again}/rejects")["rejects"]
    assert [(r["row"], r["column"], r["reason"], r["stored"]) for r in rejects] == [
        (1, "patient", "patient-erased", False), (2, "patient", "patient-erased", False)
    ]  # fmt: skip


def test_where_nobody_knows_whose_the_rows_are_none_stays(service: Stored) -> None:
    ended = service.done(_LABS)["id"]
    service.store.patients_of_grades(ended).unlink()
    assert _erase(service, "P1").status_code == 200
    assert service.graded(ended).is_empty()


def test_graded_rows_that_were_removed_by_hand_are_not_found(service: Stored) -> None:
    ended = service.done(_LABS)["id"]
    service.store.grades(ended).unlink()
    answer = service.client.get(f"/v1/studies/default/batches/{ended}/grades.parquet")
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "the graded rows of this batch are no longer kept"
    )  # fmt: skip
    assert _erase(service, "P1").status_code == 200


def test_a_worker_outlives_a_folder_that_goes_while_it_looks(
    service: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several sweep at once; one found nothing where another had been faster, and ended."""
    worker, stop, steps = service.worker(), threading.Event(), list[bool]()

    def gone(*_: object) -> list[str]:
        raise FileNotFoundError

    def step() -> bool:
        steps.append(True)
        stop.set()
        return False

    monkeypatch.setattr(worker._store, "leftovers", gone)
    monkeypatch.setattr(worker, "step", step)
    worker.run(stop)
    assert steps == [True]
