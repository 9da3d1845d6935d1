"""A large upload passes through the service without staying in its memory.

200 MB here; ``make bench`` sends 1 GB.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.conftest import FULL, NewDatabase
from tests.crash.running import Running, running

_MEGABYTES = 1024 if FULL else 200
_MOST_MEGABYTES = 64
_HEADER = b"patient,analyte,value,unit,lln,uln,collected,rt_start,rt_end\n"
_ROW = b"P%07d,bilirubin,0.9,mg/dL,0.2,1.2,2011-01-20,2011-01-24,2011-03-09\n"


def _export(megabytes: int) -> Iterator[bytes]:
    """An export of so many megabytes, as a client streams it."""
    yield _HEADER
    sent = number = 0
    while sent < megabytes * 2**20:
        piece = b"".join(_ROW % (number + i) for i in range(10_000))
        number, sent = number + 10_000, sent + len(piece)
        yield piece


def _peak_megabytes(server: Running) -> float:
    """The most memory that the process has ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_an_upload_does_not_stay_in_memory(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    with running(new_sqlite(), tmp_path, TOXGRADE_WORKERS="0") as server:
        batches = f"{server.url}/v1/studies/default/batches?filename=labs.csv"
        before = _peak_megabytes(server)
        answer = httpx.post(batches, content=_export(_MEGABYTES), timeout=600)
        assert answer.status_code == 202
        assert _peak_megabytes(server) - before < _MOST_MEGABYTES
