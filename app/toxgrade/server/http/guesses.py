"""Bad credentials are limited by the address that they come from; good ones pass meanwhile."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_network

from toxgrade.errors import TooManyRequests, Unauthorized
from toxgrade.server.http.proxies import read_address
from toxgrade.server.runtime import Runtime

_BURST, _PER_SECOND = 30, 0.5  # bad credentials of an address
_MAX_ADDRESSES = 10_000  # Of more, those are forgotten that failed the longest time ago.
_MAX_WAITING = 20


class Guesses:
    """How many bad credentials came from which address, lately.

    An address that has used up its share may be a hospital's proxy: what it presents is still
    checked, but credentials that were not good before go one by one, for all such addresses.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._left: dict[str, tuple[float, float]] = {}
        self._untold, self._addresses = 0, set[str]()
        self._turn, self._waiting = asyncio.Lock(), 0

    @asynccontextmanager
    async def limited(
        self, host: str, *, was_good: bool, is_session: bool = False
    ) -> AsyncIterator[None]:
        """Count the credentials as bad if the check that runs inside says so.

        ``was_good``: they were good before in this process. ``is_session``: they are a session's,
        which ends without the browser's knowledge; it must learn so in order to sign in again.

        Raises:
            Unauthorized: they are bad.
            TooManyRequests: they are bad, no session's, and the address has used up its share; or
                too many wait.
        """
        address = _network(host)
        seconds = self._seconds_until_free(address)
        try:
            if was_good or not seconds:
                yield
            else:
                async with self._one_by_one(seconds):
                    yield
        except Unauthorized:
            self._count(address)
            if seconds and not is_session:
                raise _too_many(seconds) from None
            raise

    @asynccontextmanager
    async def _one_by_one(self, seconds: int) -> AsyncIterator[None]:
        if self._waiting >= _MAX_WAITING:
            raise _too_many(seconds)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    def _seconds_until_free(self, address: str) -> int:
        return max(0, math.ceil((1 - self._level(address)) / _PER_SECOND))

    def _level(self, address: str) -> float:
        now = self._runtime.monotonic()
        level, since = self._left.get(address, (_BURST, now))
        return min(_BURST, level + (now - since) * _PER_SECOND)

    def counted(self) -> tuple[int, int] | None:
        """Return how many bad credentials came from how many addresses since they were told of;
        None: none.
        """
        return (self._untold, len(self._addresses)) if self._untold else None

    def told(self, bad: int) -> None:
        """Count on from ``bad``, of which somebody has been told."""
        self._untold -= bad
        self._addresses.clear()

    def _count(self, address: str) -> None:
        self._untold += 1
        if len(self._addresses) < _MAX_ADDRESSES:
            self._addresses.add(address)
        level = max(0.0, self._level(address) - 1)
        self._left.pop(address, None)  # The dictionary is in the order of the last failure.
        self._left[address] = level, self._runtime.monotonic()
        if len(self._left) > _MAX_ADDRESSES:
            del self._left[next(iter(self._left))]


def _too_many(seconds: int) -> TooManyRequests:
    return TooManyRequests(seconds, "bad credentials from this address")


def _network(host: str) -> str:
    """Return what counts as one address: of IPv6 the /64, which one host has whole."""
    address = read_address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
