"""Machines whose clocks the tests move."""

from dataclasses import dataclass, field

from toxgrade.server.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Moved(Runtime):
    """A machine whose monotonic clock stands still at ``seconds[0]`` until a test moves it."""

    seconds: list[float] = field(default_factory=lambda: [0.0])

    def monotonic(self) -> float:
        return self.seconds[0]
