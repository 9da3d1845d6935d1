"""Server time of the pages over a study of 1,000 patients and 500,000 grades, on both databases."""

import time

import httpx
from sqlalchemy import text

from benchmarks.table import fill, on_each_database
from tests.conftest import served
from toxgrade.server.records.audit_log import AuditAction, write_entries
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_PATIENTS, _GRADES = 1000, 500
_PAGES = (
    ("floor: a page that reads nothing", "/sign-in"),
    ("toxicity table", "/studies/bench"),
    ("patients behind a number", "/studies/bench/behind/acute/any_grade"),
    ("patients", "/studies/bench/patients"),
    ("one patient, 500 grades", "/studies/bench/patients/P00001"),
    ("picture: worst grades", "/studies/bench/pictures/butterfly.json"),
    ("picture: shifts", "/studies/bench/pictures/shift.json"),
    ("picture: swimmer", "/studies/bench/pictures/swimmer.json"),
    ("picture: incidence", "/studies/bench/pictures/incidence.json"),
)


def main() -> None:
    """Milliseconds of each page when first asked for and at best of three, and its size."""
    on_each_database(_measure)


def _measure(url: str) -> None:
    upgrade(url)
    engine = build_engine(url)
    with begin(engine, MACHINE) as transaction:
        fill(transaction, _PATIENTS, _GRADES)
        write_entries(
            transaction, [(AuditAction("bench", "fill", "bench"), transaction.pop_written())]
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    print(f"\npages: {_PATIENTS:,} patients, {_PATIENTS * _GRADES:,} grades, {engine.name}")
    print(f"{'what':<44}{'first, ms':>10}{'best, ms':>10}{'kB':>10}")
    with served(Settings(database_url=url, auth="off", read_seconds=300)) as client:
        for what, path in _PAGES:
            (first, size), *more = (_asked(client, path) for _ in range(4))
            best = min(milliseconds for milliseconds, _ in more)
            print(f"{what:<44}{first:>10.0f}{best:>10.0f}{size / 1000:>10.0f}")
    engine.dispose()


def _asked(client: httpx.Client, path: str) -> tuple[float, int]:
    start = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, path
    return 1000 * (time.perf_counter() - start), len(answer.content)


if __name__ == "__main__":
    main()
