"""One hostile input for one parser, as a function of its size."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """``build`` makes the input of size n, unmeasured; ``parse`` is what is measured.

    ``most``: bytes of the largest input that the door takes. ``start``: the least n that is tried.
    ``per_byte``: bytes of memory that a byte of input may take at the most. ``in_tests``: the
    tests measure it, too; not what goes the way of another case.
    """

    parser: str
    attack: str
    build: Callable[[int], Any]
    parse: Callable[[Any], object]
    most: int = 8 * MIB
    start: int = 64
    per_byte: int = 250
    in_tests: bool = True

    @property
    def name(self) -> str:
        return f"{self.parser}: {self.attack}"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, or another input of which ``size`` says how many bytes it has."""

    content: Any
    size: int


def size_of(given: Any) -> int:
    """The bytes of an input."""
    match given:
        case Sent():
            return given.size
        case Path():
            return given.stat().st_size
        case str():
            return len(given.encode("utf-8", "surrogatepass"))
        case _:
            return len(given)
