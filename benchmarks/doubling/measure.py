"""CPU time and peak memory of one parse, each measured in a process of its own.

The process is forked before anything is parsed, so that no cache knows the input. CPU time is of
all threads, user and system, and the least of several runs: other processes only add to it.
"""

import gc
import os
import pickle
import resource
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from benchmarks.doubling.case import MIB, Case, size_of
from toxgrade.errors import ToxgradeError
from toxgrade.server.process import collect_rarely

RATIO = 2.5
"""The most that twice the input may cost."""
FIXED_BYTES = 48 * MIB
"""What a parser may take whatever the size of its input is: buffers, modules, threads."""

_LONGEST = 30  # seconds of CPU of one run
_CHEAP = 0.02  # seconds; below it, growth cannot be told from noise
_AGAIN = 2  # times that a ratio too high is measured at the next doubling
_REFUSALS = (ToxgradeError, HTTPException)


@dataclass(frozen=True, slots=True)
class Cost:
    """``seconds`` of CPU, ``peak`` bytes beside the input, and the input's ``size`` in bytes."""

    seconds: float
    peak: int
    size: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The costs at n and 2n; ``failure``: what went wrong otherwise."""

    case: Case
    n: int
    once: Cost
    twice: Cost
    failure: str = ""

    @property
    def ratio(self) -> float:
        return self.twice.seconds / max(self.once.seconds, 1e-9)

    @property
    def is_cheap(self) -> bool:
        """Whether the largest input that is taken costs next to nothing."""
        return self.twice.seconds < _CHEAP

    @property
    def per_byte(self) -> float:
        return self.twice.peak / max(self.twice.size, 1)

    @property
    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        if self.failure:
            return self.failure
        if not self.is_cheap and self.ratio > RATIO:
            return f"{self.ratio:.2f} times the cost for twice the input"
        if self.twice.peak > FIXED_BYTES + self.case.per_byte * self.twice.size:
            return f"{self.per_byte:.0f} bytes of memory for a byte of input"
        return ""


class Failed(Exception):
    """A run ended otherwise than by an answer or a refusal of ours."""


def measured(case: Case, *, seconds: float, most: int, runs: int) -> Measured:
    """Double n until a run takes ``seconds`` or the input ``most`` bytes; then measure n and 2n."""
    n, nothing = case.start, Cost(0, 0, 0)
    found = nothing
    try:
        fixed = run(case, 1)
        seconds += 4 * fixed.seconds  # Else what every call costs would hide the growth.
        found = run(case, n)
        while found.seconds < seconds and found.size * 4 <= min(most, case.most):
            steep = 8 if found.seconds < seconds / 32 else 4 if found.seconds < seconds / 8 else 2
            n *= min(steep, max(2, min(most, case.most) // (2 * found.size)))
            found = run(case, n)
        once = _least([found, *(run(case, n) for _ in range(runs - 1))])
        twice = _least([run(case, 2 * n) for _ in range(runs)])
        for _ in range(
            _AGAIN
        ):  # A step (a thread, a cache that is full) is no growth that goes on.
            if twice.seconds <= max(_CHEAP, RATIO * once.seconds) or 2 * twice.size > case.most:
                break
            n, once = 2 * n, _least([twice, *(run(case, 2 * n) for _ in range(2))])
            twice = _least([run(case, 2 * n) for _ in range(3)])
    except Failed as failure:
        return Measured(case, n, found, nothing, str(failure))
    return Measured(case, n, once, twice)


def _least(costs: Sequence[Cost]) -> Cost:
    return min(costs, key=lambda cost: cost.seconds)


def run(case: Case, n: int) -> Cost:
    """Measure one parse in a forked process.

    Raises:
        Failed: it raised what is no refusal of ours, or took too long.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            out.write(pickle.dumps(_answer(case, n)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as given:
        told = given.read()
    _, status = os.waitpid(child, 0)
    if not told:
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ended"
        raise Failed(f"n = {n}: {name}")
    answer: Cost | str = pickle.loads(told)
    if isinstance(answer, str):
        raise Failed(f"n = {n}: {answer}")
    return answer


def _answer(case: Case, n: int) -> Cost | str:
    resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST, _LONGEST))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # The service's log, of this process alone.
    try:
        _parse(case, case.build(1))  # Modules are imported, and patterns compiled.
        given = case.build(n)
        collect_rarely()
        before = _reset_peak()
        started = time.process_time()
        _parse(case, given)
        seconds = time.process_time() - started
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    return Cost(seconds, max(0, _peak() - before), size_of(given))


def _parse(case: Case, given: Any) -> None:
    with suppress(*_REFUSALS):
        case.parse(given)


def _reset_peak() -> int:
    """Forget the peak of memory up to now, and return what is in use."""
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return _status("VmRSS")


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
