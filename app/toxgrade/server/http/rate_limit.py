"""How much one caller may ask of this process: a token bucket each, cost by rows."""

import math
import time

from starlette.requests import Request

from toxgrade.errors import TooManyRequests

BURST_SECONDS = 10
"""What a caller left unused is kept for so long."""

_BYTES_PER_TOKEN = 4000  # about 20 laboratory values
_MANY = 10_000  # callers remembered before those at rest are forgotten


class RateLimits:
    """One bucket per caller; ``per_second`` tokens flow in, a request takes out its cost."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = per_second * BURST_SECONDS
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, caller: str, cost: float) -> None:
        """Take ``cost`` tokens from the caller's bucket.

        A request that costs more than a full bucket passes when the bucket is full and leaves it
        below zero, so that large panels stay possible and are paid for.

        Raises:
            TooManyRequests: there are not that many; says after how many seconds there will be.
        """
        now = time.monotonic()
        level, since = self._buckets.get(caller, (self._most, now))
        level = min(self._most, level + (now - since) * self._per_second)
        needed = min(cost, self._most)
        if level < needed:
            self._buckets[caller] = level, now
            raise TooManyRequests(math.ceil((needed - level) / self._per_second))
        if len(self._buckets) >= _MANY:
            self._forget(now)
        self._buckets[caller] = level - cost, now

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again: a new one would be the same."""
        self._buckets = {
            caller: (level, since)
            for caller, (level, since) in self._buckets.items()
            if level + (now - since) * self._per_second < self._most
        }


def cost(request: Request, most: int) -> float:
    """Tokens that a request costs: 1, and 1 more for every 20 or so rows that its body can hold.

    A body of unannounced length counts as one of ``most`` bytes.
    """
    headers = request.headers
    size = most if "transfer-encoding" in headers else int(headers.get("content-length", 0))
    return 1 + size // _BYTES_PER_TOKEN
