"""Rows of an upload that are dated after the patient's death: refused one by one, by place."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.server.jobs.stored import HEADER, Stored
from toxgrade.server.jobs.partition import Partition

_RT = "2020-01-06,2020-02-14"
_ROWS = f"""{HEADER},status
P1,2020-01-03,ALT,30,U/L,,40,{_RT},
P1,2020-03-20,ALT,60,U/L,,40,{_RT},
P1,2020-03-21,ALT,377.25,U/L,,40,{_RT},
P1,2020-03,ALT,50,U/L,,40,{_RT},
P1,2020-03-22,ALT,377.25,U/L,,40,{_RT},cancelled
P2,2020-03-21,ALT,300,U/L,,40,{_RT},
"""
_REFUSED = {"row": 3, "line": 4, "column": "collected", "reason": "after-death", "stored": False}


def test_a_death_that_the_study_knows(service: Stored) -> None:
    record = {"last_contact": "2020-03-20", "vital_status": "dead"}
    assert service.client.put("/v1/studies/default/patients/P1", json=record).status_code == 200
    batch = service.upload(_ROWS)["id"]
    service.work()
    rejects = service.get(f"/v1/studies/default/batches/{batch}/rejects")["rejects"]
    assert rejects == [_REFUSED]
    stored = _days(service, "P1")
    assert stored == ["2020-01-03", "2020-03", "2020-03-20", "2020-03-22"]
    assert _days(service, "P2") == ["2020-03-21"]


@pytest.mark.parametrize("patients", [
    "patient,rt_start,rt_end,died\nP1,2020-01-06,2020-02-14,2020-03-20\nP2,,,\n",
    "USUBJID,RFSTDTC,RFENDTC,DTHDTC\nP1,2020-01-06,2020-02-14,2020-03-20\nP2,,,\n",
])  # fmt: skip
def test_a_death_that_the_patients_file_tells(service: Stored, patients: str) -> None:
    labs = "\n".join(line.replace(f",{_RT}", "") for line in _ROWS.splitlines())
    files = {"labs": ("labs.csv", labs.replace(",rt_start,rt_end", "")),
             "patients": ("patients.csv", patients)}  # fmt: skip
    answer = service.client.post("/v1/studies/default/batches", files=files)
    assert answer.status_code == 202, answer.text
    service.work()
    batch: dict[str, Any] = answer.json()
    path = f"/v1/studies/default/batches/{batch['id']}"
    assert service.get(f"{path}/rejects")["rejects"] == [_REFUSED]
    assert len(_days(service, "P1")) == 4


def test_chunks_that_were_cut_before_files_told_of_deaths(tmp_path: Path) -> None:
    labs = tmp_path / "labs.csv"
    labs.write_text(_ROWS)
    partition = Partition(tmp_path)
    partition.write(labs, None)
    (part,) = tmp_path.glob("part-*.parquet")
    pl.read_parquet(part).drop("died").write_parquet(part)
    assert pl.concat(partition.read(0))["died"].to_list() == [None] * 6


def _days(service: Stored, patient: str) -> list[str]:
    found = service.get(f"/v1/studies/default/patients/{patient}/grades")["grades"]
    return [grade["collected"] for grade in found]
