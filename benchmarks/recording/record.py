"""One recording: the service at every door, the commands, the database that they leave."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.recording.commands import GRADE, HELP, OTHERS, PLOT
from benchmarks.recording.doors import DOORS, access
from benchmarks.recording.doors.hl7 import MLLP
from benchmarks.recording.listener import record_listener
from benchmarks.recording.normal import Normal
from benchmarks.recording.program import Program
from benchmarks.recording.pull import record_pull
from benchmarks.recording.tables import batches_settled, record_tables
from benchmarks.recording.talk import INPUTS, Talk
from benchmarks.recording.work import run_all

_KEYS = {"admin": (), "writer": ("--role", "writer", "--study", "trial"),
         "reader": ("--role", "reader", "--study", "trial")}  # fmt: skip


def record(program_path: Path, out: Path) -> None:
    """Record what the program does into a new folder; print what took how long and looked odd."""
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="recording-") as name:
        folder = Path(name).resolve()
        shutil.copytree(INPUTS, folder, dirs_exist_ok=True)
        program = Program(program_path.absolute(), folder)
        normal = Normal({str(folder): "<folder>", program.version(): "<version>"})
        log = out / "service.log"
        with _timed("an open service"):
            statuses = _doors(program, out / "answers", normal, log)
        with _timed("the listener"):
            record_listener(program, MLLP, out / "answers" / "mllp", normal, log)
        with _timed("pulled from an EHR"):
            record_pull(program, out / "files" / "pull", normal)
        with _timed("a service with keys"):
            statuses += _keys(program, out / "answers", normal, log)
        for title, runs in (("grade", GRADE), ("plot", PLOT), ("others", OTHERS), ("help", HELP)):
            with _timed(f"commands: {title}"):
                run_all(program, runs, out / "files" / title, normal)
        record_tables(folder / "toxgrade.db", out / "tables", normal)
        _keep_database(folder, out / "database")
        _keep_log(log, out / "files" / "log.txt")
    _tell(statuses, log)


def _doors(program: Program, out: Path, normal: Normal, log: Path) -> list[tuple[str, int]]:
    with program.serving(log, TOXGRADE_AUTH="off") as address:
        talk = Talk(address, out, _at(address, normal), _settled(program))
        for name, requests in DOORS.items():
            talk.door(name, requests)
        _metrics(address, out)
    return talk.statuses


def _keys(program: Program, out: Path, normal: Normal, log: Path) -> list[tuple[str, int]]:
    made = {who: program.run("keys", "create", who, *role) for who, role in _KEYS.items()}
    keys = {who: done.out.decode().split()[-1] for who, done in made.items()}
    with program.serving(log, TOXGRADE_AUTH="on", TOXGRADE_WORKERS="0") as address:
        talk = Talk(address, out, _at(address, normal), _settled(program), **keys)
        talk.door("access", access.REQUESTS)
    return talk.statuses


def _settled(program: Program) -> Callable[[], bool]:
    """Return what says whether no batch is under way, without a request that is audited."""
    return lambda: batches_settled(program.folder / "toxgrade.db")


def _at(address: str, normal: Normal) -> Normal:
    """Return the same with the service's address, which has its port, as a placeholder."""
    host = address.removeprefix("http://")
    return Normal(dict(normal.texts) | {host: "<service>"})


def _metrics(address: str, out: Path) -> None:
    """Keep the names of the metrics with their labels; the numbers are those of this run."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    names = sorted({re.sub(r"(\})? [^ ]+$", r"\1", one) for one in lines if one[:1] != "#"})
    about = [one for one in lines if one[:1] == "#"]
    (out / "metrics.txt").write_text("\n".join([*about, *names, ""]))


def _keep_database(folder: Path, out: Path) -> None:
    out.mkdir()
    for file in folder.glob("toxgrade.db*"):
        shutil.copy2(file, out)
    shutil.copytree(folder / "batches", out / "batches")


def _tell(statuses: list[tuple[str, int]], log: Path) -> None:
    """Print what looks like a fault of the program: answers 500, and errors in its log."""
    for name, status in statuses:
        if status >= 500:
            print(f"answered {status}: {name}")
    odd = [one for one in log.read_text().splitlines() if '"level":"info"' not in one]
    print("\n".join(["in the service's log:", *odd[:20]] if odd else ["nothing odd in the log"]))


def _keep_log(log: Path, out: Path) -> None:
    """Keep the log's lines of requests, without what each has of its own.

    Sorted: a line comes after its answer, sometimes after the next request's.
    """
    own = {"ms", "time", "request_id"}
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    kept = [
        json.dumps({name: value for name, value in entry.items() if name not in own})
        for entry in entries
        if entry.get("event") == "request" and entry["route"] != "/readyz"  # asked until it is
    ]
    out.write_text("\n".join([*sorted(kept), ""]))


@contextmanager
def _timed(title: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{title}: {time.monotonic() - began:.1f} s", flush=True)
