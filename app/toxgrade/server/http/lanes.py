"""Lanes: threads for work of one kind, so that it takes none from other work."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class Lane:
    """Some threads, of which a caller has one at a time; their other jobs wait in order.

    45 clients of one key that asked for charts once held all 40 threads that read, and another
    key's read took 6.5 s instead of 10 ms.
    """

    def __init__(self, threads: int) -> None:
        self._threads = CapacityLimiter(threads)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, job: Callable[[], T], caller: str) -> T:
        """Run a job in one of the threads when it is the caller's turn; return its result."""
        turn = self._turns.setdefault(caller, asyncio.Lock())
        async with turn:
            return await to_thread.run_sync(job, abandon_on_cancel=True, limiter=self._threads)
