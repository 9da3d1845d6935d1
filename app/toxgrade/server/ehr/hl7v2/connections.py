"""The connections of an MLLP listener: how many there may be, and which one makes room."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from toxgrade.server.runtime import Runtime

MOST = 100  # An interface engine has a handful.
_SLOW_SECONDS = 1.0  # A frame that has begun comes within this, or it may be given up for another.


class State(IntEnum):
    """What a connection is doing, in the order in which it makes room."""

    RESTING = 0
    READING = 1
    STORING = 2  # It never makes room: its sender could not know whether the message is stored.


@dataclass(eq=False, slots=True)
class Connection:
    """A connection from an address, in its state since a time (monotonic, in seconds)."""

    address: str
    task: "asyncio.Task[None]"
    since: float
    runtime: Runtime
    state: State = State.RESTING
    has_sent: bool = False

    def becomes(self, state: State) -> None:
        """Note that it does something else now; once it has stored, it has sent a message."""
        self.has_sent = self.has_sent or self.state is State.STORING
        self.state, self.since = state, self.runtime.monotonic()


class Connections:
    """The connections that are open, up to ``MOST``.

    Interface engines keep theirs open and at rest for hours, so resting is no fault. Where there
    are too many, one of the address that has most of them is closed: one that never sent a message
    before one that did, the longest at rest first, then a frame that does not come on. Engines at
    other addresses are not disturbed; whose connection is closed connects again.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def tasks(self, state: State | None = None) -> "set[asyncio.Task[None]]":
        """Return the tasks of the connections in a state; None: of all."""
        return {each.task for each in self._open if state is None or each.state is state}

    def admit(self, address: str) -> Connection | None:
        """Return a new connection of the current task, closing another if need be.

        None: there is no room, as all others store what they sent or just read it.
        """
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST:
            if (leaving := self._next_to_leave()) is None:
                return None
            self._open.discard(leaving)
            leaving.task.cancel()
        admitted = Connection(address, task, self._runtime.monotonic(), self._runtime)
        self._open.add(admitted)
        return admitted

    def remove(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self._open.discard(connection)

    def _next_to_leave(self) -> Connection | None:
        counts = Counter(each.address for each in self._open)
        slow = self._runtime.monotonic() - _SLOW_SECONDS
        found = [
            each
            for each in self._open
            if each.state is State.RESTING or (each.state is State.READING and each.since < slow)
        ]
        return min(
            found,
            key=lambda each: (-counts[each.address], each.state, each.has_sent, each.since),
            default=None,
        )
