"""The job of ``docs/scaling.md`` on executors of their own, one of which is killed meanwhile."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import missing
from tests.exports.synthetic_export import write_export
from tests.server.jobs.stored import GRADERS
from toxgrade.exports.grade_file import grade_file
from toxgrade.exports.run_report import GradeFileRequest
from toxgrade.grading.phase import read_window
from toxgrade.grading.rules import Rules

_ROOT = Path(__file__).parents[2]
_CLUSTER = {
    "spark.master": "local-cluster[2,1,1024]", "spark.ui.enabled": "false",
    "spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": "4",
}  # fmt: skip
_SECONDS = 240


def _descendants(ancestor: int) -> dict[int, str]:
    """Return the processes that descend from one, with their command lines."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found: dict[int, str] = {}
    waiting = [*children.get(ancestor, ())]
    for pid in waiting:
        waiting += children.get(pid, ())
        with contextlib.suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_text()
    return found


def _kill_an_executor(job: "subprocess.Popen[str]") -> None:
    """Kill an executor that has begun to grade: it has a Python worker."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and job.poll() is None:
        for pid, command in _descendants(job.pid).items():
            is_executor = "executor.CoarseGrainedExecutorBackend" in command
            if is_executor and any("pyspark.daemon" in each for each in _descendants(pid).values()):
                os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.2)
    pytest.fail("no executor began to grade")


def test_the_job_of_the_page_survives_the_loss_of_an_executor(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        missing("Java 17 (Debian: apt-get install openjdk-17-jre-headless)")
    page = (_ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    (job,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (tmp_path / "job.py").write_text(job, encoding="utf-8")
    write_export(tmp_path / "export.csv", 20_000)
    export = pl.read_csv(tmp_path / "export.csv", infer_schema=False)
    dates = ["patient", "rt_start", "rt_end"]
    export.select(dates).unique().write_csv(tmp_path / "patients.csv")
    export.drop(dates[1:]).write_csv(tmp_path / "labs.csv")
    request = GradeFileRequest(
        (str(tmp_path / "labs.csv"),), tmp_path / "out.parquet",
        Rules(window=read_window("end+3m")), tmp_path / "patients.csv",
    )  # fmt: skip
    grade_file(request, GRADERS)
    expected = pl.read_parquet(tmp_path / "out.parquet").drop("row").cast(pl.String)

    confs = [word for name, value in _CLUSTER.items() for word in ("--conf", f"{name}={value}")]
    environment = os.environ | {
        "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(_ROOT / "app"),
    }  # fmt: skip
    submit = [str(Path(sys.executable).parent / "spark-submit"), *confs, "job.py"]
    with (
        (tmp_path / "told.txt").open("w") as told,
        subprocess.Popen(
            submit, cwd=tmp_path, env=environment, text=True, stdout=told, stderr=told
        ) as running,
    ):
        _kill_an_executor(running)
        running.wait(timeout=_SECONDS)
    log = (tmp_path / "told.txt").read_text()
    assert running.returncode == 0, log[-2000:]
    assert "Lost executor" in log
    found = pl.read_parquet(tmp_path / "graded" / "*.parquet").cast(pl.String)
    by = ["source_id", "term"]
    assert found.sort(by).equals(expected.sort(by), null_equal=True)
