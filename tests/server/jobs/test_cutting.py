"""What an upload does to the process that reads it: the worker goes on, and the batch says why."""

import gzip
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.crash.running import until
from tests.server.jobs.stored import HEADER, stored
from toxgrade.errors import FileError
from toxgrade.server.jobs import cutting, cutting_process
from toxgrade.server.jobs.cutting import CutFailure, CutLimits, cut_upload
from toxgrade.server.runtime import MACHINE

_ROW = "P1,2011-04-23,ALT,90,U/L,,40,2011-01-24,2011-03-09\n"
_GOOD = f"{HEADER}\n{_ROW}"


def _cut(folder: Path, limits: CutLimits = cutting.DEFAULT_LIMITS, name: str = "labs.csv") -> int:
    cut = cut_upload(folder, name, None, None, limits, threading.Event(), MACHINE)
    return sum(cut.rows)


def _ends(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """The process that cuts uploads runs this instead, in the middle of its work."""
    command = (sys.executable, "-c", f"import os, sys, time; sys.stdin.read(); {program}")
    monkeypatch.setattr(cutting, "_COMMAND", command)


def test_an_upload_is_cut_in_a_process_without_the_services_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labs.csv").write_text(_GOOD)
    assert _cut(tmp_path) == 1
    monkeypatch.setenv("TOXGRADE_DATABASE_URL", "postgresql://toxgrade:secret@db/toxgrade")
    count = "sum(name.startswith('TOXGRADE') for name in os.environ)"
    _ends(monkeypatch, f'print(\'{{"refused": "%d settings"}}\' % {count})')
    with pytest.raises(FileError, match=r"^0 settings$"):
        _cut(tmp_path)


def test_a_process_that_cannot_run_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labs.csv").write_text(_GOOD)
    _ends(monkeypatch, "sys.exit(1)")
    with pytest.raises(CutFailure, match="cannot run"):
        _cut(tmp_path)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("os.abort()", r"made the reader fail \(SIGABRT\)"),
        ("os.kill(os.getpid(), 11)", r"made the reader fail \(SIGSEGV\)"),
        ("os.kill(os.getpid(), 9)", "was ended by the system, as it does where memory is short"),
        ("os.kill(os.getpid(), 24)", "took more than 60 s of CPU time"),
        ("x = b'1' * 300_000_000; time.sleep(60)", "took more than 200 MiB of memory"),
    ],
)
def test_what_ends_the_reader_ends_the_batch_at_the_first_try(
    new_sqlite: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    program: str, says: str,
) -> None:  # fmt: skip
    _ends(monkeypatch, program)
    with stored(new_sqlite(), tmp_path) as service:
        queued = service.upload(_GOOD)
        worker = service.worker(limits=CutLimits(memory=200 * 2**20))
        assert worker.step()
        assert not worker.step(), "nothing is left to do"
        ended = service.batch(queued["id"])
        assert (ended["state"], bool(re.search(says, ended["detail"]))) == ("failed", True)
        assert not service.store.folder(queued["id"]).exists()
        monkeypatch.undo()
        assert service.done(_GOOD)["state"] == "done"


_WAITING = """
import sys
import threading
from pathlib import Path
from toxgrade.server.jobs.cutting import DEFAULT_LIMITS, cut_upload
from toxgrade.server.runtime import MACHINE
cut_upload(Path(sys.argv[1]), "labs.csv", None, None, DEFAULT_LIMITS, threading.Event(), MACHINE)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere its CPU limit ends it")
def test_the_reader_dies_with_its_worker_and_only_with_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labs.csv")
    worker = subprocess.Popen((sys.executable, "-c", _WAITING, str(tmp_path)))
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    try:
        until(lambda: bool(children.read_text()))
        reader = int(children.read_text())
        until(lambda: bool(list(tmp_path.glob("tmp*"))))  # It has begun.
        os.kill(reader, signal.SIGTERM)  # As the system sends to all processes of a service.
        os.kill(reader, signal.SIGINT)
        time.sleep(0.3)
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    until(lambda: not Path(f"/proc/{reader}").exists() or _is_dead(reader))


def _is_dead(pid: int) -> bool:
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_the_reader_of_a_cancelled_batch_ends(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    with stored(new_sqlite(), tmp_path) as service:
        queued = service.upload(_GOOD)
        folder = service.store.folder(queued["id"])
        (labs,) = folder.iterdir()
        labs.unlink()
        os.mkfifo(labs)  # Nobody writes to it: reading would wait for an hour.
        work = threading.Thread(target=service.worker(lease=0.6).step, daemon=True)
        work.start()
        until(lambda: bool(list(folder.glob("tmp*"))))  # It has begun.
        path = f"/v1/studies/default/batches/{queued['id']}"
        assert service.client.delete(path).json()["state"] == "cancelled"
        work.join(10)
        assert (work.is_alive(), folder.exists()) == (False, False)
        assert service.batch(queued["id"])["state"] == "cancelled"


def test_an_upload_that_takes_no_end_is_given_up_by_the_clock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labs.csv")  # Nobody writes to it: reading waits, and takes no CPU time.
    begun = time.monotonic()
    with pytest.raises(FileError, match="took longer than 2 s"):
        _cut(tmp_path, CutLimits(seconds=0.2))
    assert time.monotonic() - begun < 20


def test_an_upload_that_takes_too_much_work_is_given_up(tmp_path: Path) -> None:
    """4 GB of results in 14 MB."""
    rows = gzip.compress(_ROW.encode() * 400_000)
    (tmp_path / "labs.csv.gz").write_bytes(gzip.compress(HEADER.encode() + b"\n") + rows * 200)
    with pytest.raises(FileError, match="took more than 1 s of CPU time"):
        _cut(tmp_path, CutLimits(seconds=0.9), "labs.csv.gz")


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path) -> None:
    (tmp_path / "labs.csv.gz").write_bytes(gzip.compress((HEADER + "\n" + _ROW * 50_000).encode()))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            _cut(tmp_path, name="labs.csv.gz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_compressed_upload_becomes_at_most_so_much_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting_process, "_LEAST_UNPACKED", 1_000_000)
    (tmp_path / "labs.csv.gz").write_bytes(gzip.compress((HEADER + "\n" + _ROW * 90_000).encode()))
    order = cutting_process.CutOrder(0, str(tmp_path), "labs.csv.gz", None, None, 60)
    refused = cutting_process.answer(order).refused
    assert refused is not None
    assert "bytes once decompressed; split it" in refused


def test_what_a_killed_process_had_unpacked_goes_with_the_upload(
    new_sqlite: NewDatabase, tmp_path: Path
) -> None:
    with stored(new_sqlite(), tmp_path) as service:
        queued = service.upload(_GOOD)
        folder = service.store.folder(queued["id"])
        (folder / "tmpabc").mkdir()
        (folder / "tmpabc" / "0.text").write_text(_GOOD)
        service.work()
        assert service.batch(queued["id"])["state"] == "done"
        assert {path.name for path in folder.iterdir()} == {
            "grades.parquet",
            "patients-of-grades.parquet",
        }
