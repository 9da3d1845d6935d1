"""What a process takes from its machine besides files and network: time and randomness.

It is handed on from where a process is wired, so that a simulation can hand on its own. What waits
in an event loop goes by the clock of that loop, which is the caller's choice, too.
"""

import threading
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random, SystemRandom
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Runtime:
    """The machine's clocks, and a source of randomness that nobody can guess."""

    random: Random = field(default_factory=SystemRandom)

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of a clock that is never set."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Return once the event is set, or after so many seconds; return whether it is set."""
        return event.wait(seconds)

    def uuid(self) -> UUID:
        """Return a random UUID (version 4)."""
        return UUID(bytes=self.random.randbytes(16), version=4)

    def token(self, count: int) -> str:
        """Return ``count`` random bytes as text for URLs and headers."""
        return urlsafe_b64encode(self.random.randbytes(count)).rstrip(b"=").decode()


MACHINE = Runtime()
"""What a command, the service and its workers hand on."""
