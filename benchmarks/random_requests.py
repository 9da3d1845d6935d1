"""Random requests by schemathesis with all of its checks, as every role, on both databases.

Its stateful phase follows what one answer names. ``tests.server.http.expected_findings`` says what
it may find, and why; every other finding is printed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import postgres
from tests.crash.running import running
from toxgrade.server.access import ROLES
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade

_SECONDS = 120  # for each role on each database
_ROOT = Path(__file__).parents[1]


def main() -> bool:
    """Print for each database and role: requests, and findings that are not listed; return whether
    there are none of these.
    """
    held = True
    print(f"\nRandom requests: all checks, four phases, {_SECONDS} s each")
    print(f"{'':<28}{'requests':>10}{'findings':>10}")
    with databases() as found, tempfile.TemporaryDirectory() as folder:
        for name, url in found.items():
            upgrade(url)
            own = {"TOXGRADE_AUTH": "on", "TOXGRADE_RATE_PER_SECOND": "1000000"}
            with running(url, Path(folder), **own) as server:
                for role in ROLES:
                    with transaction(url) as opened:
                        on = [] if role == "admin" else ["default"]
                        key = create_key(opened, role, role, on)
                    count, findings = _run(server.url, key, Path(folder))
                    print(f"{f'{name}, {role}':<28}{count:>10,}{len(findings):>10}")
                    for finding in findings:
                        print(f"  {finding}")
                    held = held and not findings
    return held


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give the URL of a new database of each kind, by its name; PostgreSQL where it is there."""
    programs = postgres.server_programs()
    with tempfile.TemporaryDirectory() as folder:
        found = {"SQLite": f"sqlite:///{folder}/new.db"}
        if programs is None:
            print("PostgreSQL is not installed")
            yield found
            return
        with postgres.cluster(programs) as cluster:
            with cluster.connect() as connection:
                connection.execute(b"CREATE DATABASE new")
            yield found | {"PostgreSQL": cluster.url % "new"}


def _run(url: str, key: str, folder: Path) -> tuple[int, list[str]]:
    """Return how many requests were sent, and what was found: operation, kind and title."""
    report = folder / "report.json"
    subprocess.run(
        [Path(sys.executable).parent / "st", "run", f"{url}/openapi.json",
         "--header", f"Authorization: Bearer {key}", "--max-time", str(_SECONDS),
         "--continue-on-failure", "--report", "json", "--report-json-path", str(report)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        env=os.environ | {
            "SCHEMATHESIS_HOOKS": str(_ROOT / "tests/server/http/expected_findings.py")
        },
    )  # fmt: skip
    document = json.loads(report.read_text())
    found = [
        f"{failure['code']} {failure['title']}: {', '.join(failure['operations'])}"
        for failure in document["failures"]
    ]
    return document["test_cases"]["generated"], found


if __name__ == "__main__":
    main()
