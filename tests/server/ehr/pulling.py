"""Pulling from a server of tests: in this process, or by the command with a database."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import served
from tests.server.ehr.fhir_server import FhirServer
from toxgrade.criteria.reader import load
from toxgrade.fhir.results import Accepted
from toxgrade.grading.rules import Graders, Rules
from toxgrade.server.ehr.pull.fhir_server import Server, read_base
from toxgrade.server.ehr.pull.http_client import Calls, Limits
from toxgrade.server.ehr.pull.patients import Pulled, pull_patient
from toxgrade.server.ehr.pull.person import read_person
from toxgrade.server.ehr.pull.run import Pull, Target
from toxgrade.server.ehr.pull.wanted import Done, Wanted
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.writer import Writer
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_GRADERS, _FINAL = Graders(load()), Accepted()
QUICK = Limits(answer_bytes=50_000, silence_seconds=0.3, first_wait=0.01, attempts=4)


def pulled(told: FhirServer, *fhir_ids: str) -> Pulled:
    """Everything of the person with these ids, ``1`` if none is given."""
    with closing(Calls(QUICK, MACHINE)) as calls:
        server = Server(read_base(told.url), calls)
        person = read_person(server, fhir_ids or ("1",))
        return pull_patient(server, person, _GRADERS, Rules(), _FINAL, None)


def run(
    told: FhirServer, database_url: str, folder: Path, patients: str, *more: str
) -> "subprocess.CompletedProcess[str]":
    (folder / "patients.csv").write_text(patients)
    return subprocess.run(
        [str(Path(sys.executable).parent / "toxgrade"), "pull", "--fhir-url", told.url,
         "--patients", "patients.csv", *more],
        env=os.environ | {"TOXGRADE_DATABASE_URL": database_url},
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def grades(database_url: str, patient: str) -> list[dict[str, Any]]:
    with served(Settings(database_url=database_url, auth="off", workers=0)) as api:
        return grades_of(api, patient)


def grades_of(api: httpx.Client, patient: str) -> list[dict[str, Any]]:
    answer = api.get(f"/v1/studies/default/patients/{patient}/grades")
    return answer.json()["grades"] if answer.status_code == 200 else []


@dataclass(frozen=True)
class Ran:
    """Whether a pull succeeded, what it told, and the addresses that it asked for."""

    succeeded: bool
    told: list[str]
    asked: list[str]

    @property
    def searches(self) -> list[str]:
        return [path for path in self.asked if "/Observation?" in path]


def ran(
    told: FhirServer, database_url: str, *wanted: Wanted, is_whole: bool = False,
    accepted: Accepted = _FINAL,
) -> Ran:  # fmt: skip
    """Pull as the command does, by default the patient P1 with the id 1."""
    sentences: list[str] = []
    told.asked.clear()
    people: Sequence[Wanted] = wanted or [Wanted(2, "P1", ("1",))]
    engine = build_engine(database_url)
    with closing(Calls(QUICK, MACHINE)) as calls, closing(Writer(engine, MACHINE)) as writer:
        target = Target("default", engine, writer, _GRADERS, accepted, "cli:test")
        server = Server(read_base(told.url), calls)
        pull = Pull(server, target, people, is_whole=is_whole, tell=sentences.append)
        succeeded = pull.run(Done(None, "default", told.url))
    engine.dispose()
    return Ran(succeeded, sentences, list(told.asked))
