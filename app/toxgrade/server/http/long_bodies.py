"""Long bodies: parsed, checked and graded in a second event loop, so that the first stays free."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

_MANY_VALUES = 1500  # Some 150 results, or 50 Observations; as many faulty fields take 20 ms.
_MANY_BYTES = 100_000
_AT_ONCE, _OF_ONE_CALLER = 8, 4
_BLOCK_BYTES = 1 << 20


def count_values(body: bytes, most: int) -> int:
    """Return about how many values a JSON text has, at least, or a number above ``most``."""
    found = 0
    for at in range(0, len(body), _BLOCK_BYTES):
        block = body[at : at + _BLOCK_BYTES] if len(body) > _BLOCK_BYTES else body
        found += block.count(b",") + block.count(b"[") + block.count(b"{")
        if found > most:
            break
    return found


def is_long(body: bytes) -> bool:
    """Return whether a body may keep a loop busy for longer than some 30 ms."""
    if len(body) <= _MANY_VALUES:  # Each value takes a byte at least.
        return False
    return len(body) > _MANY_BYTES or count_values(body, _MANY_VALUES) > _MANY_VALUES


class LongBodies:
    """An event loop in a thread of its own, which handles requests with long bodies.

    It does one thing at a time, so that one body at a time is parsed. Eight requests at most are in
    it, four of one caller; the others wait with their bodies unread by it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def handle(self, work: Callable[[], Awaitable[T]], caller: str) -> T:
        """Return what ``work`` returns, which is called and awaited in that loop."""

        async def run() -> T:
            return await work()

        turn = self._turns.setdefault(caller, asyncio.Semaphore(_OF_ONE_CALLER))
        async with turn, self._places:
            future = asyncio.run_coroutine_threadsafe(run(), self._loop)
            return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the loop and its thread; nothing may be in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
