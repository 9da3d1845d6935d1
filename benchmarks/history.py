"""What a panel and the reads of a patient cost by what is stored: of the patient, and of the study.

``TOXGRADE_FULL=1`` also measures in a study of 1,000,000 patients.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert

from benchmarks.load import panel, process, service
from benchmarks.table import on_each_database
from tests.conftest import FULL
from toxgrade.server.records.db.bulk import insert_tuples, reserve_ids
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import grades, patients, results
from toxgrade.server.records.schema import upgrade
from toxgrade.server.records.studies import find_study

_STORED = (0, 100, 1_000, 5_000)
_OTHERS = (1_000, 1_000_000) if FULL else (1_000,)
_PATIENTS = 4
_PANELS, _READS = 20, 3  # of each patient
_START = date(2011, 4, 1)
_MOST = 5_000  # results in one request
_numbers = count()


def main() -> None:
    """One line for each number of stored results, on both databases."""
    for others in _OTHERS:
        on_each_database(partial(_measure, others=others))


def _measure(url: str, others: int) -> None:
    upgrade(url)
    _add_others(url, others)
    print(f"\n{url.partition(':')[0]}, a study of {others:,} patients: one panel of 8, alone;")
    print("milliseconds of the service's CPU time, and until the answer is there")
    print(f"{'stored results':<16}{'panel':>8}{'until':>8}{'toxicity':>10}{'until':>8}")
    with (
        process(service, url, "off") as (port, pid),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/v1/studies/default", timeout=60) as client,
    ):
        for stored in _STORED:
            names = [f"S{stored}-{n}" for n in range(_PATIENTS)]
            for name in names:
                for first in range(0, stored, _MOST):
                    _store(client, name, min(_MOST, stored - first))
            own = names if stored else [f"new-{n}" for n in range(_PATIENTS * _PANELS)]
            each = own * _PANELS if stored else own
            _store(client, "warm", 8)
            stores = [partial(_store, client, name, 8) for name in each]
            reads = [partial(_read, client, name) for name in own[:_PATIENTS] * _READS]
            figures = [*_timed(pid, stores), *_timed(pid, reads)]
            print(f"{stored:<16,}{figures[0]:>8.2f}{figures[1]:>8.2f}"
                  f"{figures[2]:>10.2f}{figures[3]:>8.2f}")  # fmt: skip


def _timed(pid: int, calls: Sequence[Callable[[], None]]) -> tuple[float, float]:
    """Milliseconds of CPU time of each call, on average, and of time until it returns, median."""
    before, waited = _cpu(pid), []
    for call in calls:
        start = time.perf_counter()
        call()
        waited.append(time.perf_counter() - start)
    return 1e3 * (_cpu(pid) - before) / len(calls), 1e3 * statistics.median(waited)


def _cpu(pid: int) -> float:
    """Seconds of CPU time that the threads of a process have used."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _store(client: httpx.Client, patient: str, results: int) -> None:
    """Visits of eight results, each on a later day than all before."""
    body = panel(results)
    for eight in range(0, results, 8):
        number = next(_numbers)
        day = (_START + timedelta(number % 3_000 if results > 8 else 3_000 + number)).isoformat()
        for place, result in enumerate(body["results"][eight : eight + 8]):
            result |= {"collected": day, "source_id": f"{number}-{place}"}
    answer = client.post(f"/patients/{patient}/results", json=body)
    assert answer.status_code == 201, answer.text


def _read(client: httpx.Client, patient: str) -> None:
    assert client.get(f"/patients/{patient}/toxicity").status_code == 200


def _add_others(url: str, number: int) -> None:
    """Patients with one graded result each, as rows that no audit covers."""
    engine, now = build_engine(url), datetime.now(UTC)
    result: dict[str, Any] = {"version": 1, "analyte": "ALT", "status": "final",
                              "is_baseline": False, "recorded_at": now}  # fmt: skip
    grade: dict[str, Any] = {"analyte": "ALT", "because": "-", "phase": "unknown", "flags": "",
                             "edition": "4.03", "criteria_sha256": "-", "software": "-",
                             "recorded_at": now}  # fmt: skip
    for first in range(0, number, 10_000):
        size = min(10_000, number - first)
        with engine.begin() as connection:
            study = find_study(connection, "default").id
            ids = [[*islice(reserve_ids(connection, table, size), size)]
                   for table in (patients, results, grades)]  # fmt: skip
            named = [{"id": n, "study_id": study, "name": f"O{n}"} for n in ids[0]]
            connection.execute(insert(patients), named)
            insert_tuples(connection, results, ("id", "patient_id", "identity", *result),
                          [(n, of, f"{n}", *result.values())
                           for n, of in zip(ids[1], ids[0], strict=True)])  # fmt: skip
            insert_tuples(connection, grades, ("id", "patient_id", "result_id", *grade),
                          [(n, of, by, *grade.values())
                           for n, of, by in zip(ids[2], ids[0], ids[1], strict=True)])  # fmt: skip
    engine.dispose()


if __name__ == "__main__":
    main()
