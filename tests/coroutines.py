"""What a coroutine gives, in any test."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def awaited(coroutine: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine to its end in a thread of its own, and return what it returns.

    A test's own thread may have an event loop that runs: the browser's, as soon as a test before
    it in the same process has opened a page.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
