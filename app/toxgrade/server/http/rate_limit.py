"""Rate limits of this process: a token bucket per caller; requests cost by their size and time."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from toxgrade.errors import TooManyRequests
from toxgrade.server.runtime import Runtime

BURST_SECONDS = 10
"""A bucket holds at most the tokens that flow in during this time."""

BYTES_PER_TOKEN = 4000  # about 20 laboratory values
UPLOAD_BYTES_PER_TOKEN = 256 * 1024  # They are written to disk, or sent from it, and not read.
_FREE_SECONDS = 0.02  # A request has so much time of a thread; what it takes beyond is paid for.
_TOKENS_PER_SECOND = 1000
_NEARLY_FULL = 0.9
_MOST_DIGITS = 18
_MAX_BUCKETS = 10_000  # With so many, those that are full again are dropped.


class RateLimits:
    """A token bucket per caller; ``per_second`` tokens flow in, a request takes out its cost."""

    def __init__(self, per_second: float, runtime: Runtime) -> None:
        self._per_second, self._runtime = per_second, runtime
        self._capacity = per_second * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str, cost: float) -> None:
        """Take ``cost`` tokens from the caller's bucket.

        A request that costs more passes when the bucket is nearly full, as the key's other requests
        take from it too, and leaves it below zero: large panels are possible, and the caller waits
        longer after one.

        Raises:
            TooManyRequests: the bucket holds too few; ``retry_after`` says when it has enough.
        """
        level = self._level(caller)
        needed = min(cost, _NEARLY_FULL * self._capacity)
        if level < needed:
            raise TooManyRequests(math.ceil((needed - level) / self._per_second))
        self._set(caller, level - cost)

    @contextmanager
    def charged(
        self, caller: str | None, clock: Callable[[], float] = time.thread_time
    ) -> Iterator[None]:
        """Have the caller (None: nobody) pay afterwards for the time that the block takes, also
        from a bucket that holds too few tokens.

        A token is a millisecond, after the first 20.
        """
        begun = clock()
        try:
            yield
        finally:
            seconds = clock() - begun
            if caller is not None and seconds > _FREE_SECONDS:
                self.take(caller, (seconds - _FREE_SECONDS) * _TOKENS_PER_SECOND)

    def take(self, caller: str, cost: float, kept: float = -1) -> float:
        """Take ``cost`` tokens; return after how many seconds the next may be taken.

        ``kept`` is the level, as a part of a full bucket, below which one has to wait.
        """
        level = self._level(caller) - cost
        self._set(caller, level)
        return max(0.0, (kept * self._capacity - level) / self._per_second)

    def _level(self, caller: str) -> float:
        now = self._runtime.monotonic()
        level, since = self._buckets.get(caller, (self._capacity, now))
        return min(self._capacity, level + (now - since) * self._per_second)

    def _set(self, caller: str, level: float) -> None:
        now = self._runtime.monotonic()
        if len(self._buckets) >= _MAX_BUCKETS:
            self._forget(now)
        self._buckets[caller] = level, now

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again, because new ones are full too."""
        self._buckets = {
            caller: (level, since)
            for caller, (level, since) in [*self._buckets.items()]  # Threads add to it, too.
            if level + (now - since) * self._per_second < self._capacity
        }


def announced_bytes(request: Request) -> int:
    """Return how long the body is by its Content-Length; 0 where there is none.

    Zeros may stand before it, and the interpreter reads no number of thousands of digits.
    """
    digits = request.headers.get("content-length", "").lstrip("0")
    return int(digits[:_MOST_DIGITS]) if digits.isdecimal() else 0


def is_announced(request: Request) -> bool:
    """Return whether a request says how long its body is, or has none."""
    return "transfer-encoding" not in request.headers
