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
_AGAIN = 4  # times that a ratio too high is measured at the next doubling
_REFUSALS = (ToxgradeError, HTTPException)


@dataclass(frozen=True, slots=True)
class Cost:
    """``seconds`` of CPU, ``peak`` bytes beside the input, and the input's ``size`` in bytes.

    ``answer``: a status, the name of a refusal, or "read".
    """

    seconds: float
    peak: int
    size: int
    answer: str

    def is_refused_after(self, smaller: "Cost") -> bool:
        """Whether this input is too large for a door that still read the smaller one."""
        is_refusal = self.answer != "read" and not self.answer.startswith("2")
        return is_refusal and self.answer != smaller.answer and self.seconds < smaller.seconds * 1.5


_NOTHING = Cost(0, 0, 0, "")


@dataclass(frozen=True, slots=True)
class Measured:
    """The costs at n and at 2n; ``failure``: what went wrong otherwise."""

    case: Case
    n: int
    once: Cost
    twice: Cost
    failure: str = ""

    @property
    def ratio(self) -> float:
        """The growth with twice the input."""
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
    """Double n until a run takes ``seconds`` or the input ``most`` bytes; then measure n and 2n.

    Where the door refuses 2n without reading it, both are the largest that it reads.
    """
    n, found = case.start, _NOTHING
    try:
        n, found = _large_enough(case, seconds, min(most, case.most))
        twice = run(case, 2 * n)
        if is_largest := twice.is_refused_after(found):
            n, twice = max(1, n // 2), found
            found = run(case, n)
        once = _least([found, *(run(case, n) for _ in range(runs - 1))])
        twice = _least([twice, *(run(case, 2 * n) for _ in range(runs - 1))])
        for _ in range(_AGAIN):  # A step (a thread, a full cache) is no growth that goes on.
            if twice.seconds <= max(_CHEAP, RATIO * once.seconds):
                break
            is_largest = is_largest or 2 * twice.size > case.most
            further = twice if is_largest else run(case, 4 * n)
            is_largest = is_largest or further.is_refused_after(twice)
            if not is_largest:
                n, once, twice = 2 * n, twice, further
            once = _least([once, *(run(case, n) for _ in range(2))])
            twice = _least([twice, *(run(case, 2 * n) for _ in range(2))])
    except Failed as failure:
        return Measured(case, n, found, _NOTHING, str(failure))
    return Measured(case, n, once, twice)


def _large_enough(case: Case, seconds: float, most: int) -> tuple[int, Cost]:
    """Return the n, and its cost, whose double is to be measured."""
    seconds += 4 * run(case, 1).seconds  # Else what every call costs would hide the growth.
    n, step = case.start, 32
    found = run(case, n)
    while found.seconds < seconds and found.size * 4 <= most and step > 1:
        share = found.seconds / seconds
        steep = 32 if share < 1 / 64 else 8 if share < 1 / 32 else 4 if share < 1 / 8 else 2
        step = min(step, steep, max(2, most // (2 * found.size)))
        further = run(case, n * step)
        if further.is_refused_after(found):
            step //= 2
        elif further.size == found.size:
            return max(1, n // 2), run(case, max(1, n // 2))  # The input grows no more.
        else:
            n, found = n * step, further
    return n, found


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
        said = _parse(case, given)
        seconds = time.process_time() - started
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    return Cost(seconds, max(0, _peak() - before), size_of(given), said)


def _parse(case: Case, given: Any) -> str:
    """Return how it was answered: a status, the name of a refusal, or "read"."""
    try:
        said = case.parse(given)
    except _REFUSALS as refusal:
        return type(refusal).__name__
    return str(said) if type(said) is int else "read"


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
