"""Requests per second over HTTP, against an empty FastAPI endpoint in the same run."""

import tempfile
from pathlib import Path

from benchmarks.bare import bare
from benchmarks.load import Servers, compare, empty, heading, load, panel, toxgrade
from tests import postgres
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.audit_verify import verify
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE

_PANEL = "/v1/studies/default/patients/{n}/results"


def main() -> None:
    """Each route against the floor: by what a client sees and by the server's CPU time."""
    with tempfile.TemporaryDirectory() as folder, empty() as floor:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        upgrade(url)
        with toxgrade(url) as servers:
            heading("grading, nothing stored, one process")
            for values in (1, 20, 1000):
                name = f"POST /v1/grade, {values:,} value{'s' if values > 1 else ''}"
                compare(name, floor, servers, "/v1/grade", panel(values))
            _half_load(servers)
        _storing(floor, url)
        if (programs := postgres.server_programs()) is None:
            print("PostgreSQL: no server here")
            return
        with postgres.cluster(programs, durable=True) as cluster:
            upgrade(cluster.url % "postgres")
            _storing(floor, cluster.url % "postgres", 1, 2, 3)


def _half_load(servers: Servers) -> None:
    """Latencies at half of what the service can do."""
    full = load(servers, "/v1/grade", panel(1)).rate
    half = sorted(load(servers, "/v1/grade", panel(1), full / 2).latencies)
    p50, p99 = half[len(half) // 2], half[len(half) * 99 // 100]
    print(
        f"at half load ({full / 2:,.0f}/s): p50 {p50 * 1e3:.2f} ms,"
        f" p99 {p99 * 1e3:.2f} ms, {p99 / p50:.1f} x p50"
    )


def _storing(floor: Servers, url: str, *processes: int) -> None:
    """A panel of eight durable before its answer, with access and audit; then the audit's word, and
    what the same rows take without any of the service.
    """
    heading(f"storing 8 results, a patient each, {url.partition(':')[0]}, access and audit on")
    with transaction(url) as opened:
        key = create_key(opened, "load")
    for number in processes or (1,):
        with toxgrade(url, number, key) as servers:
            name = f"POST …/results, {number} process{'es' if number > 1 else ''}"
            compare(name, floor, servers, _PANEL.replace("{n}", f"{number}-{{n}}"), panel(8))
    with transaction(url) as opened:
        faults = [*verify(opened.connection, MACHINE.now())]
        print(f"faults that the audit finds afterwards: {len(faults)}")
    with bare(url) as servers:
        compare("the same rows ready made, by a bare endpoint", floor, servers, _PANEL, panel(8))


if __name__ == "__main__":
    main()
