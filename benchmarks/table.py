"""Tabling a cohort of 1,000,000 grades on both databases, against counting the same rows."""

import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, insert, select, text

from tests import postgres
from toxgrade.cohort.definition import Scope, paper_rows
from toxgrade.cohort.toxicity_table import toxicity_table
from toxgrade.criteria.reader import load
from toxgrade.grading.result import Course
from toxgrade.grading.rules import Rules
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.db.transaction import Transaction, begin
from toxgrade.server.records.patients import save_courses
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import Study, find_study, save_study
from toxgrade.server.reports.cohort_bounds import cohort
from toxgrade.server.runtime import MACHINE

T = TypeVar("T")

_PATIENTS, _GRADES = 20_000, 50  # one baseline and some acute and late ones per term
_START, _END = date(2011, 1, 24), date(2011, 3, 9)


def main() -> None:
    """Seconds of the table on a fresh SQLite file, then on PostgreSQL if its server is there."""
    on_each_database(_measure)


def on_each_database(normalize: Callable[[str], None]) -> None:
    """Call with the address of a fresh SQLite file, then of PostgreSQL if its server is there."""
    with tempfile.TemporaryDirectory() as folder:
        normalize(f"sqlite:///{Path(folder) / 'bench.db'}")
    if programs := postgres.server_programs():
        with postgres.cluster(programs, durable=True) as server:
            normalize(server.url % "postgres")


def _measure(url: str) -> None:
    upgrade(url)
    engine = build_engine(url)
    with begin(engine, MACHINE) as transaction:
        fill(transaction, _PATIENTS, _GRADES)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    with engine.begin() as connection:
        study = find_study(connection, "bench")
        counted = select(func.count(), func.max(grades.c.at_least)).group_by(grades.c.term)
        floor, _ = _timed(lambda: connection.execute(counted).all())
        seconds, n = _timed(lambda: _table(connection, study))
        tracemalloc.start()
        _table(connection, study)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    engine.dispose()
    print(f"\ntoxicity table: {_PATIENTS * _GRADES:,} grades of {n:,} patients, {engine.name}")
    print(f"{'what':<44}{'seconds':>12}{'ratio':>8}")
    print(f"{'floor: count and maximum per term in SQL':<44}{floor:>12.2f}{1:>8.2f}")
    print(f"{'toxicity_table':<44}{seconds:>12.2f}{seconds / floor:>8.2f}")
    print(f"peak memory of Python objects: {peak / 2**20:.0f} MiB")


def _table(connection: Connection, study: Study) -> int:
    edition = load().edition(study.rules.edition)
    rows = paper_rows(edition, study.liver_enzymes)
    table = toxicity_table(cohort(connection, study, Scope()), rows, Scope(), study.rules.window)
    return table.n_patients


def fill(transaction: Transaction, n_patients: int, n_grades: int) -> None:
    """Patients with ``n_grades`` each, of 8 terms: a baseline, then later ones, some undecided."""
    study = save_study(transaction, "bench", Rules(), synthetic=True).study
    edition = load().edition(study.rules.edition)
    rows = paper_rows(edition, study.liver_enzymes)
    terms = [term for row in rows if not row.clinical for term in row.terms]
    now = datetime.now(UTC)
    ids = range(1, n_patients + 1)
    connection = transaction.read()
    connection.execute(
        insert(patients), [{"id": i, "study_id": study.id, "name": f"P{i:05}"} for i in ids]
    )
    for i in ids:
        save_courses(transaction, i, (Course(_START, _END),), ())
    result = {
        "identity": "-", "version": 1, "analyte": "-", "status": "final", "is_baseline": False,
        "recorded_at": now,
    }  # fmt: skip
    connection.execute(insert(results), [{"id": i, "patient_id": i, **result} for i in ids])
    chosen = random.Random(1)
    for first in range(1, n_patients + 1, 1000):
        batch = range(first, min(first + 1000, n_patients + 1))
        connection.execute(
            insert(grades), [g for i in batch for g in _grades(i, terms, n_grades, chosen, now)]
        )


def _grades(
    patient: int, terms: list[str], n: int, chosen: random.Random, now: datetime
) -> Iterator[dict[str, object]]:
    for place in range(n):
        visit, term = divmod(place, len(terms))
        at_least = chosen.choice((0, 0, 0, 1, 2, 3))
        at_most = 3 if chosen.random() < 0.05 else at_least
        yield {
            "patient_id": patient, "result_id": patient, "analyte": "-", "term": terms[term],
            "collected_on": _START + timedelta(days=30 * visit), "at_least": at_least,
            "at_most": max(at_least, at_most), "because": "-", "flags": "",
            "phase": "baseline" if visit == 0 else "acute" if visit < 5 else "late",
            "course": 0, "edition": "4.03", "criteria_sha256": "-", "software": "-",
            "recorded_at": now,
        }  # fmt: skip


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


if __name__ == "__main__":
    main()
