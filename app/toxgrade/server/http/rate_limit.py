"""Rate limits of this process: a token bucket per caller; requests cost by their size."""

import math
import time

from starlette.requests import Request

from toxgrade.errors import TooManyRequests

BURST_SECONDS = 10
"""A bucket holds at most the tokens that flow in during this time."""

_BYTES_PER_TOKEN = 4000  # about 20 laboratory values
_MAX_BUCKETS = 10_000  # With so many, those that are full again are dropped.


class RateLimits:
    """A token bucket per caller; ``per_second`` tokens flow in, a request takes out its cost."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._capacity = per_second * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str, cost: float) -> None:
        """Take ``cost`` tokens from the caller's bucket.

        A request that costs more than a full bucket passes when the bucket is full and leaves it
        below zero, so that large panels are possible and the caller waits longer after one.

        Raises:
            TooManyRequests: the bucket holds too few; ``retry_after`` says when it has enough.
        """
        now = time.monotonic()
        level, since = self._buckets.get(caller, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._per_second)
        needed = min(cost, self._capacity)
        if level < needed:
            self._buckets[caller] = level, now
            raise TooManyRequests(math.ceil((needed - level) / self._per_second))
        if len(self._buckets) >= _MAX_BUCKETS:
            self._forget(now)
        self._buckets[caller] = level - cost, now

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again, because new ones are full too."""
        self._buckets = {
            caller: (level, since)
            for caller, (level, since) in self._buckets.items()
            if level + (now - since) * self._per_second < self._capacity
        }


def cost(request: Request, max_bytes: int) -> float:
    """Return a request's cost in tokens: 1, plus 1 for every 4,000 bytes of its body.

    A body of unannounced length counts as one of ``max_bytes``.
    """
    headers = request.headers
    size = max_bytes if "transfer-encoding" in headers else int(headers.get("content-length", 0))
    return 1 + size // _BYTES_PER_TOKEN
