"""How far one value walks: files, functions, hops and shapes of one request each.

``python -m benchmarks.walks`` prints a table; with the name of a walk also its files and shapes.
What is counted, and how: ``benchmarks/walk_profile.py``. Each walk is one request in this process,
in a service with access and audit, after one like it with another value: what only a first request
does (imports, routes, criteria) is not counted.
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import uvicorn

from benchmarks.walk_profile import Walk
from tests.ports import free_port
from toxgrade import cli
from toxgrade.criteria.reader import load
from toxgrade.grading.rules import Graders
from toxgrade.server.access.credentials import create_key
from toxgrade.server.http.server import server_config
from toxgrade.server.jobs.upload_store import UploadStore
from toxgrade.server.jobs.worker import Worker
from toxgrade.server.main import create_app
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade
from toxgrade.server.runtime import MACHINE
from toxgrade.server.settings import Settings

_FIRST, _VALUE = "2.4179", "1.8317"  # mg/dL of bilirubin: of the request before, of that counted
_SETTLED_SECONDS = 0.3  # after an answer, for what its handler does afterwards
_COURSE = {"start": "2011-01-24", "end": "2011-03-09"}
_HEADER = "patient,collected,analyte,value,unit,lln,uln,rt_start,rt_end\n"
_STUDY = "/v1/studies/default"


@dataclass(frozen=True)
class Service:
    """A service on SQLite in this process, and the folder of its files."""

    url: str
    folder: Path
    port: int
    key: str

    def ask(self, path: str, expected: int, media: str = "", body: str | None = None) -> None:
        """Send a request, and wait until its handler is done with it."""
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Authorization": f"Bearer {self.key}", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = media
        client.request("GET" if body is None else "POST", path, body, headers)
        answer = client.getresponse()
        content = answer.read()
        assert answer.status == expected, (answer.status, content)
        client.close()
        time.sleep(_SETTLED_SECONDS)

    def step(self) -> None:
        """Perform the next task of the uploads, as a worker does."""
        engine = build_engine(self.url)
        store = UploadStore(self.folder, MACHINE)
        worker = Worker(engine, MACHINE, Graders(load()), store, lease=60)
        assert worker.step()
        engine.dispose()


@contextmanager
def _service(folder: Path) -> Iterator[Service]:
    url = f"sqlite:///{folder / 'walks.db'}"
    upgrade(url)
    with transaction(url) as opened:
        key = create_key(opened, "walks")
    chosen = Settings(
        database_url=url, port=free_port(), workers=0, batches_dir=folder,
        read_seconds=600, write_seconds=600, slow_client_seconds=600,  # A profile takes its time.
    )  # fmt: skip
    server = uvicorn.Server(server_config(create_app(chosen), chosen))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    yield Service(url, folder, chosen.port, key)
    server.should_exit = True
    thread.join()


def _post_panel(service: Service, value: str, uln: str | None = "1.2") -> None:
    lab = {"analyte": "bilirubin", "value": value, "unit": "mg/dL", "uln": uln,
           "collected": "2011-04-23", "source_id": "LAB-1"}  # fmt: skip
    body = json.dumps({"radiotherapy": _COURSE, "results": [lab]})
    path = f"{_STUDY}/patients/{_name(value)}/results"
    service.ask(path, 201, "application/json", body)


def _grade_file(service: Service, value: str) -> None:
    labs = service.folder / f"{value}.csv"
    labs.write_text(_rows(value))
    with suppress(SystemExit):
        cli.run("grade", str(labs), "-o", str(labs.with_suffix(".out.csv")))
    assert labs.with_suffix(".out.csv").exists()


def _grade_observation(service: Service, value: str) -> None:
    ucum = {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    observation = {
        "resourceType": "Observation", "id": "o1", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1975-2"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2011-04-23T08:00:00+01:00",
        "valueQuantity": {"value": float(value), **ucum},
        "referenceRange": [{"high": {"value": 1.2, **ucum}}],
    }  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": observation}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "bundle", "resource": bundle}]}
    service.ask("/fhir/$ctcae-grade", 200, "application/fhir+json", json.dumps(body))


def _upload(service: Service, value: str) -> None:
    """Upload two rows, and cut them into their one chunk."""
    service.ask(f"{_STUDY}/batches", 202, "text/csv; charset=utf-8", _rows(value))
    service.step()


def _rows(value: str) -> str:
    course = f"{_COURSE['start']},{_COURSE['end']}"
    name = _name(value)
    return (
        f"{_HEADER}{name},2011-01-20,bilirubin,0.7,mg/dL,,1.2,{course}\n"
        f"{name},2011-04-23,bilirubin,{value},mg/dL,,1.2,{course}\n"
    )


def _name(value: str) -> str:
    return f"P{value.replace('.', '')}"


def _store_one_batch(service: Service) -> None:
    _upload(service, _FIRST)
    service.step()  # Its chunk is graded,
    service.step()  # and put together with the others.
    _upload(service, _VALUE)


def _ask_for_table(service: Service) -> None:
    service.ask(f"{_STUDY}/toxicity-table", 200)


def _ask_for_table_before(service: Service) -> None:
    """Store a patient whom the table names: without an upper limit the grade could be higher."""
    _post_panel(service, _VALUE, uln=None)
    _ask_for_table(service)


@dataclass(frozen=True)
class Wanted:
    """What is walked: the request before, the one counted, what is followed; the figures wanted."""

    name: str
    before: Callable[[Service], None]
    request: Callable[[Service], None]
    value: str
    files: int
    hops: int | None = None
    shapes: int | None = None
    asks_service: bool = True


WALKS = {
    "panel": Wanted(
        "POST a panel of one result",
        lambda service: _post_panel(service, _FIRST),
        lambda service: _post_panel(service, _VALUE), _VALUE, 25, 90, 10,
    ),
    "grade": Wanted(
        "toxgrade grade, 2 CSV rows",
        lambda service: _grade_file(service, _FIRST),
        lambda service: _grade_file(service, _VALUE), _VALUE, 28, 300, asks_service=False,
    ),
    "fhir": Wanted(
        "one FHIR Observation",
        lambda service: _grade_observation(service, _FIRST),
        lambda service: _grade_observation(service, _VALUE), _VALUE, 24,
    ),
    "chunk": Wanted(
        "a stored batch's chunk", _store_one_batch, Service.step, _VALUE, 28, asks_service=False,
    ),
    "table": Wanted(
        "a toxicity table", _ask_for_table_before, _ask_for_table, _name(_VALUE), 20
    ),
}  # fmt: skip


def walk(wanted: Wanted) -> Walk:
    """Return what one request runs, in a service of its own."""
    found = Walk(wanted.value)
    threading.setprofile(found.profile)
    try:
        with (
            redirect_stderr(StringIO()),  # the service's log
            tempfile.TemporaryDirectory() as name,
            ExitStack() as stack,
        ):
            service = stack.enter_context(_service(Path(name)))
            wanted.before(service)
            if not wanted.asks_service:
                stack.close()  # It would do things of its own meanwhile.
            sys.setprofile(found.profile)
            found.is_on = True
            wanted.request(service)
            found.is_on = False
            sys.setprofile(None)
    finally:
        threading.setprofile(None)
    return found


def main(details: tuple[str, ...] = ()) -> None:
    """Print every walk as a line, the figures wanted in brackets; then the details of some."""
    heads = ("files", "functions", "hops", "types", "shapes")
    print(f"\n{'one request, counted (wanted at most)':<40}" + "".join(f"{h:>12}" for h in heads))
    for key, wanted in WALKS.items():
        found = walk(wanted)
        counts = (
            _beside(len(found.files), wanted.files), str(found.named_functions),
            _beside(found.hops.total(), wanted.hops), str(found.types),
            _beside(len(found.shapes), wanted.shapes),
        )  # fmt: skip
        print(f"{wanted.name:<40}" + "".join(f"{count:>12}" for count in counts))
        if key in details:
            _print_details(found)


def _beside(count: int, wanted: int | None) -> str:
    return str(count) if wanted is None else f"{count} ({wanted})"


def _print_details(found: Walk) -> None:
    for file, calls in sorted(found.files.items()):
        into = sum(count for (_, to), count in found.hops.items() if to == file)
        functions = sorted({code.co_qualname for code in found.functions_of(file)})
        print(f"    {file} ({calls} calls, {into} hops into it): {', '.join(functions)}")
    for shape, where in found.shapes.items():
        print(f"    {shape[:120]}, first in {where}")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
