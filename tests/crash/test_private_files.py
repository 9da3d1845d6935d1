"""No other user of the machine reads the service's files; what `toxgrade grade` writes is its own
user's choice.
"""

import stat
import subprocess
import sys
from pathlib import Path

import httpx

from tests.crash.running import running, until
from tests.server.api.panels import panel

_PROGRAM = Path(sys.executable).parent / "toxgrade"
_LABS = "patient,collected,analyte,value,unit,lln,uln\nP1,2011-04-23,ALT,90,U/L,,40\n"


def _others_may(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o077


def test_all_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    folder.mkdir(mode=0o755)
    url = f"sqlite:///{folder / 'toxgrade.db'}"
    with running(url, tmp_path, TOXGRADE_BATCHES_DIR=str(folder / "batches")) as server:
        results = "/v1/studies/default/patients/P1/results"
        assert httpx.post(server.url + results, json=panel()).status_code == 201
        batches = f"{server.url}/v1/studies/default/batches"
        sent = httpx.post(f"{batches}?filename=labs.csv", content=_LABS.encode())
        one = f"{batches}/{sent.json()['id']}"
        until(lambda: httpx.get(one).json()["finished_at"] is not None)
        made = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.name for path in made} >= {
            "toxgrade.db", "toxgrade.db-wal", "toxgrade.db-shm", "grades.parquet"
        }  # fmt: skip
        assert [path.name for path in folder.rglob("*") if _others_may(path)] == []


def test_files_that_others_could_read_are_closed_and_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "toxgrade.db"
    url = f"sqlite:///{file}"
    with running(url, tmp_path, TOXGRADE_WORKERS="0"):
        pass
    file.chmod(0o644)
    with running(url, tmp_path, TOXGRADE_WORKERS="0") as server:
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert "other users could read files" in server.log.read_text()


def test_graded_files_of_the_command_line_keep_the_users_mask(tmp_path: Path) -> None:
    (tmp_path / "labs.csv").write_text(_LABS)
    subprocess.run([_PROGRAM, "grade", "labs.csv", "-o", "x.csv"], cwd=tmp_path, check=True,
                   umask=0o022, capture_output=True)  # fmt: skip
    assert stat.S_IMODE((tmp_path / "x.csv").stat().st_mode) == 0o644
