"""Made-up exports in which one patient has most rows, and what a study holds once one is stored."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Engine, select, update

from tests.server.jobs.stored import GRADERS
from toxgrade.grading.rules import Rules
from toxgrade.server.jobs.batches import Upload, create_batch, find_batch
from toxgrade.server.jobs.rejects import list_rejects
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.jobs.worker import Worker
from toxgrade.server.records.current_state import grades_now
from toxgrade.server.records.db.service_tables import batch_tasks
from toxgrade.server.records.db.tables import grades, patients, results, studies, treatments
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.studies import save_study
from toxgrade.server.runtime import MACHINE

HEADER = "patient,collected,analyte,value,unit,lln,uln,source_id,status,baseline,rt_start,rt_end"
_COURSE = "2011-01-24,2011-03-09"
_TESTS = (("ALT", "U/L", "", "40"), ("TBIL", "mg/dL", "0.2", "1.2"), ("WBC", "K/uL", "4", "10"))
_DAYS = (
    "2010-12-20", "2011-01-20", "2011-01-20T08:30", "2011-01-24", "2011-02-01T09:00",
    "2011-02-01T09:00+01:00", "2011-02-01T09:30", "2011-06-30", "2011-08-01", "2011-06", "2012",
)  # fmt: skip
_BAD = ("P1,yesterday,ALT,5,U/L,,40,,,", "P1,,ALT,5,U/L,,40,,,", "P1,2011-02-01,ALT,x,U/L,,40,,,",
        ",2011-02-01,ALT,5,U/L,,40,,,", "P1,2011-02-01,lead,5,U/L,,40,,,",
        "P1,2011-02-01,ALT,5,furlong,,40,,,")  # fmt: skip
_STATUSES = ("", "", "", "final", "preliminary", "corrected", "cancelled")


def export(seed: int, rows: int = 40, *, times: Sequence[str] = _DAYS) -> str:
    """A file in which P1 has nearly all rows: numbers that come again, corrections, declared and
    undated baselines, equal rows, rows that cannot be read; P2 and P3 have a few.
    """
    chance = random.Random(seed)
    lines = list[str]()
    for _ in range(rows):
        kind = chance.random()
        if kind < 0.1 and lines:
            lines.append(chance.choice(lines))
        elif kind < 0.25:
            lines.append(f"{chance.choice(_BAD)},{_COURSE}")
        else:
            lines.append(_line(chance, times))
    return "\n".join([HEADER, *lines, ""])


def _line(chance: random.Random, times: Sequence[str]) -> str:
    analyte, unit, lln, uln = chance.choice(_TESTS)
    patient = chance.choice(("P1",) * 8 + ("P2", "P3"))
    number = f"S{chance.randrange(12)}" if chance.random() < 0.6 else ""
    day, baseline = chance.choice(times), ""
    if chance.random() < 0.08:
        day, baseline = chance.choice(("", "2011-01-20")), "Y"
    value = f"{chance.choice(('', '', '<'))}{chance.randrange(1, 200)}"
    status = chance.choice(_STATUSES)
    what = f"{analyte},{value},{unit},{lln},{uln},{number},{status},{baseline}"
    return f"{patient},{day},{what},{_COURSE}"


class Batch:
    """One export, stored as a batch into a study of its own."""

    def __init__(self, engine: Engine, folder: Path, study: str) -> None:
        self.engine, self.study, self.store = engine, study, UploadStore(folder, MACHINE)
        self.id = MACHINE.uuid().hex
        with begin(engine, MACHINE) as transaction:
            save_study(transaction, study, Rules())

    def upload(self, text: str) -> None:
        self.id = MACHINE.uuid().hex
        (self.store.open_folder(self.id) / "labs.csv").write_text(text)
        upload = Upload(self.id, self.id, "labs.csv", None, self.store.name)
        with begin(self.engine, MACHINE) as transaction:
            create_batch(transaction, self.study, upload)

    def worker(self) -> Worker:
        """A new worker, who finds that the leases of those before it have run out."""
        with self.engine.begin() as connection:
            connection.execute(update(batch_tasks).values(lease_until=None))
        return Worker(self.engine, MACHINE, GRADERS, self.store, lease=600)

    def work(self) -> None:
        worker = self.worker()
        while worker.step():
            pass

    def store_all(self, text: str) -> None:
        self.upload(text)
        self.work()

    def current(self) -> list[str]:
        """The current grades, without their history."""
        with self.engine.begin() as connection:
            of_study = select(patients.c.id).join(studies).where(studies.c.name == self.study)
            query = grades_now(grades.c.patient_id.in_(of_study))
            return sorted(_text(dict(row)) for row in connection.execute(query).mappings())

    def found(self) -> dict[str, Any]:
        """What is stored and told in the end, without ids and times."""
        with self.engine.begin() as connection:
            ended = find_batch(connection, self.study, self.id)
            rejects, _ = list_rejects(connection, self.study, self.id, 100_000, (0, 0))
        graded = pl.read_parquet(self.store.grades(self.id))
        return {
            "batch": (ended.state, ended.rows_total, ended.rows_done, ended.rows_rejected,
                      ended.phase_unknown),
            "rejects": rejects,
            "graded": graded.rows(named=True),
            **held(self.engine, self.study),
        }  # fmt: skip


def held(engine: Engine, study: str) -> dict[str, list[str]]:
    """The rows of the study's patients: each as JSON, without ids and times, sorted."""
    of_study = patients.c.study_id == studies.c.id
    with engine.begin() as connection:

        def rows(table: Any) -> list[dict[str, Any]]:
            query = select(table, patients.c.name.label("of")).join(
                patients, table.c.patient_id == patients.c.id
            )
            found = connection.execute(query.join(studies, of_study).where(studies.c.name == study))
            return [dict(row) for row in found.mappings()]

        held_results = {row["id"]: row for row in rows(results)}
        held_grades = {row["id"]: row for row in rows(grades)}
        courses = rows(treatments)

    def place(grade: dict[str, Any]) -> list[Any]:
        result = held_results[grade["result_id"]]
        return [result["of"], result["identity"], result["version"]]

    for grade in held_grades.values():
        before = held_grades.get(grade["supersedes_id"])
        grade["at"] = place(grade)
        grade["before"] = before and [*place(before), before["term"], before["grade"]]
    found = {"results": held_results.values(), "grades": held_grades.values(), "courses": courses}
    return {name: sorted(map(_text, of_table)) for name, of_table in found.items()}


_DIFFERS = {"id", "patient_id", "result_id", "supersedes_id", "recorded_at"}


def _text(row: dict[str, Any]) -> str:
    return json.dumps(
        {k: v for k, v in row.items() if k not in _DIFFERS}, default=str, sort_keys=True
    )
