"""``toxgrade pull``: an EHR's FHIR server (SYNTHETIC patients), what it is asked for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.recording.doors.fhir import COURSE, bundle, coded, observation, quantity
from benchmarks.recording.normal import Normal
from benchmarks.recording.program import Program

_BEFORE = observation(id="b", effectiveDateTime="2011-01-20", valueQuantity=quantity(0.9, "mg/dL"))
_WBC = observation(id="w", code=coded("6690-2"), valueQuantity=quantity(2.8, "10*9/L"))
_HELD: dict[str, tuple[object, ...]] = {
    "Patient": ({"resourceType": "Patient", "id": "1", "gender": "female"},),
    "Procedure": (COURSE,),
    "Observation": (_BEFORE, observation(), _WBC),
}
_PATIENTS = "patient,fhir_id\nPULL1,1\nPULL2,2\n"


class _Handler(BaseHTTPRequestHandler):
    """Answers each search for patient 1 with all there is; knows nobody else."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(unquote(self.path))
        kind = urlsplit(self.path).path.split("/")[2]
        is_known = "patient=1&" in f"{self.path}&" or self.path.endswith("/1")
        found = _HELD.get(kind, ()) if is_known or "Patient%2F1" in self.path else ()
        is_read = self.path.endswith("/Patient/1")
        body = json.dumps(found[0] if is_read else bundle(*found, kind="searchset")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def _served() -> Iterator[tuple[str, list[str]]]:
    """Serve on a free port; give the address, and what is asked there."""
    asked: list[str] = []
    handler = type("_Told", (_Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/fhir", asked
        server.shutdown()


def record_pull(program: Program, folder: Path, normal: Normal) -> None:
    """Pull two patients twice, of whom the server knows one; keep what was said and asked."""
    folder.mkdir(parents=True)
    (program.folder / "pulled.csv").write_text(_PATIENTS)
    with _served() as (address, asked):
        words = ("--fhir-url", address, "--patients", "pulled.csv", "--done", "done.txt")
        for time in ("first", "again"):
            done = program.run("pull", *words, "--study", "trial")
            text = f"exit code {done.code}\n{done.out.decode()}\n{done.err}"
            (folder / f"{time}.txt").write_text(normal(text.replace(address, "<address>")))
        (folder / "asked.txt").write_text("\n".join([*sorted(asked), ""]))
