"""The process in which one upload is cut: whatever a file does to its reader ends this alone.

It is given a ``CutOrder`` as JSON on standard input, and writes a ``CutAnswer`` to standard output.
It has neither the database nor the settings, and imports no more than it needs to read files.
"""

import math
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

_PR_SET_PDEATHSIG = 1  # Source: linux/prctl.h.
_LEAST_UNPACKED = 2**30  # Bytes.
_MOST_UNPACKED = 50
"""A compressed file may be so many times as long once it is unpacked; laboratory results become 4
to 15 times as long. The disk that a file takes is proportional to what was sent."""


class CutOrder(msgspec.Struct, frozen=True):
    """What is to be cut, as for ``Partition``, and for which ``worker``, a process's number.

    ``reading`` is the JSON of the read options. The process may take ``cpu_seconds``.
    """

    worker: int
    folder: str
    labs: str
    patients: str | None
    reading: str | None
    cpu_seconds: float

    @property
    def bytes(self) -> int:
        """The size of the files."""
        files = filter(None, (self.labs, self.patients))
        return sum((Path(self.folder) / name).stat().st_size for name in files)


class CutAnswer(msgspec.Struct, frozen=True):
    """Chunks, as in ``Cut``; or why there are none.

    ``refused``: the message of a ``FileError``. ``no_memory``: there was not enough. ``os_error``:
    number and text of one, such as of a full disk. ``unforeseen``: the place of any other error.
    """

    rows: list[int] = []
    read_as: str = ""
    refused: str | None = None
    no_memory: bool = False
    os_error: tuple[int | None, str | None] | None = None
    unforeseen: str | None = None


def main() -> None:
    """Cut the upload that standard input names."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # A library that prints must not spoil the answer.
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=CutOrder)
        _confine(order)
        answers.write(msgspec.json.encode(answer(order)))


def _confine(order: CutOrder) -> None:
    """Limit this process, and let it end when its worker does.

    A signal to end is for the worker, which finishes its task first. No core is written: it would
    hold patients' results. Where memory is short, the system ends this process before any other.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cpu = math.ceil(order.cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only there

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):  # A container may have /proc read-only.
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != order.worker:  # It has ended meanwhile.
        os._exit(1)


def answer(order: CutOrder) -> CutAnswer:
    """Return what ``Partition`` makes of the upload."""
    from toxgrade.errors import FileError  # noqa: PLC0415 - imported once it is confined
    from toxgrade.server.jobs.partition import Partition  # noqa: PLC0415
    from toxgrade.server.process import origin  # noqa: PLC0415
    from toxgrade.tabular.declared_options import from_json  # noqa: PLC0415

    folder, most = Path(order.folder), max(_LEAST_UNPACKED, _MOST_UNPACKED * order.bytes)
    reading = replace(from_json(order.reading), max_bytes=most)
    try:
        patients = folder / order.patients if order.patients else None
        cut = Partition(folder, reading).write(folder / order.labs, patients)
    except FileError as error:
        return CutAnswer(refused=str(error))
    except MemoryError:
        return CutAnswer(no_memory=True)
    except OSError as error:
        return CutAnswer(os_error=(error.errno, error.strerror))
    except BaseException as error:  # A panic of a library written in Rust is no Exception.
        return CutAnswer(unforeseen=origin(error))
    return CutAnswer(cut.rows, cut.read_as)


if __name__ == "__main__":
    main()
