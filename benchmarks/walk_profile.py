"""What one request runs, and what carries its value: a profile of every thread.

- files and functions of the package that ran; the bodies of modules and classes do not count.
- hops: calls from a function of one file to one of another. Libraries between the two are looked
  through. A coroutine or generator is called once, however often it goes on; what an event loop or
  a new thread calls is no hop.
- types and shapes: what carries the value. Each argument, returned and yielded value is searched
  for it, through fields and containers: as a text or bytes that hold it, as a decimal, as
  millionths. *Types* are classes of the package on the way to it. *Shapes* are these, and what
  carries it without one: a text, bytes, a decimal, a tuple, a column by its data type, a record (a
  dictionary whose keys are names) by its keys. What stands for the value without holding it, such
  as the number of a case, is not found; nor is what is kept in a closure or in a query that has not
  run.
"""

import contextlib
import dis
import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import CodeType, FrameType

import polars as pl

import toxgrade

_PACKAGE = str(Path(toxgrade.__file__).parent) + "/"
_DEEPEST, _LONGEST = 6, 50  # levels of fields and containers, and items of one, that are searched
_RESUME = dis.opmap["RESUME"]  # Its argument is 0 where a function begins.


@dataclass
class Walk:
    """What ran while ``is_on``; ``value`` is the text of the value that is followed."""

    value: str
    is_on: bool = False
    files: Counter[str] = field(default_factory=Counter)
    functions: set[CodeType] = field(default_factory=set)
    hops: Counter[tuple[str, str]] = field(default_factory=Counter)
    shapes: dict[str, str] = field(default_factory=dict)

    def profile(self, frame: FrameType, event: str, found: object) -> None:
        """Take an event of ``sys.setprofile``."""
        code = frame.f_code
        if not (self.is_on and event in ("call", "return") and _is_own(code)):
            return
        here = _file(code)
        if event == "return":
            self._search(here, found, 0)
            return
        if not _goes_on(frame):
            self.files[here] += 1
            self.functions.add(code)
            caller = frame.f_back
            while caller is not None and not _is_own(caller.f_code):
                caller = caller.f_back
            if caller is not None and _file(caller.f_code) != here:
                self.hops[_file(caller.f_code), here] += 1
            given = code.co_argcount + code.co_kwonlyargcount
            for name in code.co_varnames[:given]:
                self._search(here, frame.f_locals.get(name), 0)

    @property
    def named_functions(self) -> int:
        return sum(not code.co_name.startswith("<") or "lambda" in code.co_name
                   for code in self.functions)  # fmt: skip

    def functions_of(self, file: str) -> Iterator[CodeType]:
        """Yield the functions of a file that ran."""
        return (code for code in self.functions if _file(code) == file)

    @property
    def types(self) -> int:
        return sum(shape.startswith("toxgrade.") for shape in self.shapes)

    def _search(self, here: str, one: object, depth: int) -> bool:
        """Return whether ``one`` holds the value; note the shapes that do."""
        if depth > _DEEPEST:
            return False
        if isinstance(one, str | bytes | int | float | Decimal):
            held = self._is_value(one)
            if held and depth == 0:
                self.shapes.setdefault(type(one).__name__, here)
            return held
        if isinstance(one, pl.DataFrame | pl.Series):
            return self._search_columns(here, one)
        held = False
        for inner in _inside(one):
            held |= self._search(here, inner, depth + 1)
        if held and (shape := _shape(one)):
            self.shapes.setdefault(shape, here)
        return held

    def _search_columns(self, here: str, one: pl.DataFrame | pl.Series) -> bool:
        held = False
        for column in one.get_columns() if isinstance(one, pl.DataFrame) else [one]:
            values = column.head(_LONGEST).to_list()
            if any(self._is_value(v) for v in values if isinstance(v, str | int | float | Decimal)):
                self.shapes.setdefault(f"column of {column.dtype.base_type()}", here)
                held = True
        return held

    def _is_value(self, one: str | bytes | int | float | Decimal) -> bool:
        if isinstance(one, str):
            return self.value in one
        if isinstance(one, bytes):
            return self.value.encode() in one
        with contextlib.suppress(ValueError, ArithmeticError):
            return Decimal(str(one)) in _numbers(self.value)
        return False


def _numbers(value: str) -> tuple[Decimal, ...]:
    """Return a value as it is and in millionths; nothing for a name."""
    try:
        exact = Decimal(value)
    except ArithmeticError:
        return ()
    return exact, exact * 1_000_000


def _is_own(code: CodeType) -> bool:
    """Return whether this is a function of the package; a module's body is not optimized."""
    is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
    return is_function and code.co_filename.startswith(_PACKAGE)


def _file(code: CodeType) -> str:
    return code.co_filename.removeprefix(_PACKAGE)


def _goes_on(frame: FrameType) -> bool:
    """Return whether this is no new call, but a generator or coroutine that goes on."""
    code = frame.f_code.co_code
    return frame.f_lasti >= 0 and code[frame.f_lasti] == _RESUME and code[frame.f_lasti + 1] != 0


def _inside(one: object) -> list[object]:
    """Return what a container or one of our objects holds, its first items only."""
    if isinstance(one, dict):
        return [*one.values()][:_LONGEST]
    if isinstance(one, list | tuple | set | frozenset) or type(one).__name__ == "Row":
        return [*one][:_LONGEST]  # type: ignore[misc]
    if not type(one).__module__.startswith("toxgrade"):
        return []
    names = [name for kind in type(one).__mro__ for name in _slots(kind)]
    return [*getattr(one, "__dict__", {}).values(), *(getattr(one, name, None) for name in names)]


def _slots(kind: type) -> tuple[str, ...]:
    given = vars(kind).get("__slots__", ())
    names = (given,) if isinstance(given, str) else tuple(given)
    return tuple(name for name in names if not name.startswith("__"))


def _shape(one: object) -> str | None:
    kind = type(one)
    if kind.__module__.startswith("toxgrade"):
        return f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(one, dict):
        is_record = all(isinstance(key, str) and key.isidentifier() for key in one)
        return f"dict of {', '.join(sorted(one))}" if is_record else None
    return "tuple" if isinstance(one, tuple) else None
