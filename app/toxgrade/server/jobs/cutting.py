"""Cutting an upload in a process of its own, under limits: no file can end or hold up a worker.

The process is spawned, never forked. It takes a third of a second to start.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from toxgrade.errors import FileError, ToxgradeError
from toxgrade.server.jobs import cutting_process
from toxgrade.server.jobs.cutting_process import CutAnswer, CutOrder
from toxgrade.server.jobs.partition import Cut
from toxgrade.server.jobs.queue import LostTask
from toxgrade.server.runtime import Runtime

_WATCH_SECONDS = 0.05
_BYTES_PER_SHARE = 30_000_000
_WALL_PER_CPU = 10  # A blocked process takes no CPU time; one on a busy machine gets little.
_COMMAND = (sys.executable, "-P", "-m", cutting_process.__name__)
_ALLOCATOR = {"_RJEM_MALLOC_CONF": "narenas:2,dirty_decay_ms:5000"}  # As ``toxgrade grade`` has it.
_log = structlog.get_logger()


class CutFailure(ToxgradeError):
    """Cutting failed by a fault of the software; the message is its place, and holds no value."""


@dataclass(frozen=True, slots=True)
class CutLimits:
    """What cutting one upload may take.

    ``memory``: bytes of its own, on Linux. ``seconds`` of CPU time, and as many again for each 30
    MB of the upload; ten times as long by the clock.
    """

    memory: int = 2 * 2**30
    seconds: float = 60

    def cpu_seconds(self, size: int) -> float:
        """Return the CPU time for an upload of ``size`` bytes."""
        return self.seconds * (1 + size / _BYTES_PER_SHARE)


DEFAULT_LIMITS = CutLimits()


def cut_upload(
    folder: Path,
    labs: str,
    patients: str | None,
    reading: str | None,
    limits: CutLimits,
    lost: threading.Event,
    runtime: Runtime,
) -> Cut:
    """Cut an upload as ``Partition.write`` does; ``reading`` is the JSON of its read options.

    Raises:
        FileError: a file cannot be used, or its reader failed or reached a limit.
        OSError: the disk is full, or the process cannot be started.
        CutFailure: an unforeseen error.
        LostTask: ``lost`` was set meanwhile.
    """
    cpu = limits.cpu_seconds(CutOrder(0, str(folder), labs, patients, reading, 0).bytes)
    order = CutOrder(os.getpid(), str(folder), labs, patients, reading, cpu)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOXGRADE_")}
    with subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=folder, env=_ALLOCATOR | environment,
    ) as process:  # fmt: skip
        try:
            answer = _watch(process, order, limits, lost, runtime)
        finally:
            process.kill()
    if process.returncode:
        raise _ended(process.returncode, cpu, runtime)
    return _cut(msgspec.json.decode(answer, type=CutAnswer))


def _watch(
    process: "subprocess.Popen[bytes]",
    order: CutOrder,
    limits: CutLimits,
    lost: threading.Event,
    runtime: Runtime,
) -> bytes:
    """Return what the process answers, once it has ended.

    Raises:
        FileError: it took more memory, or more time by the clock, than the limits allow.
        LostTask: ``lost`` was set; nobody waits for the answer.
    """
    wall = order.cpu_seconds * _WALL_PER_CPU
    deadline = runtime.monotonic() + wall
    unsent: bytes | None = msgspec.json.encode(order)
    while True:
        try:
            return process.communicate(unsent, timeout=_WATCH_SECONDS)[0]
        except subprocess.TimeoutExpired:
            unsent = None
        if lost.is_set():
            raise LostTask("the upload is not this worker's to read any more")
        if _memory(process.pid) > limits.memory:
            raise _refusal(f"took more than {limits.memory // 2**20:,} MiB of memory")
        if runtime.monotonic() > deadline:
            raise _refusal(f"took longer than {wall:,.0f} s")


def _memory(pid: int) -> int:
    """Return how many bytes of memory a process has of its own; 0 where the system does not tell.

    Pages of a mapped file do not count: the system drops them when it likes.
    """
    try:
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _ended(code: int, cpu_seconds: float, runtime: Runtime) -> ToxgradeError:
    """Return why a process that ended with ``code`` gave no answer; a signal is negative."""
    if code == -signal.SIGXCPU:
        return _refusal(f"took more than {cpu_seconds:,.0f} s of CPU time")
    if code == -signal.SIGKILL:
        runtime.sleep(
            1
        )  # Who ends all processes of this host, or its container, ends this one too.
        return _refusal("was ended by the system, as it does where memory is short")
    if code < 0:
        return _refusal(f"made the reader fail ({signal.Signals(-code).name})")
    return CutFailure("the process that cuts uploads cannot run")


def _refusal(what: str) -> FileError:
    text = f"reading the upload {what}; is it damaged? If not, split it, or save it as CSV"
    _log.warning("an upload's reader was stopped", error=what)
    return FileError(text)


def _cut(answer: CutAnswer) -> Cut:
    """Return the chunks, or raise what the process met."""
    if answer.refused is not None:
        raise FileError(answer.refused)
    if answer.no_memory:
        raise _refusal("took more memory than there is")
    if answer.os_error is not None:
        raise OSError(*answer.os_error)
    if answer.unforeseen is not None:
        raise CutFailure(answer.unforeseen)
    return Cut(answer.rows, answer.read_as)
