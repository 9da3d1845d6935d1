"""Damaged files: whatever a reader makes of one becomes one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import polars as pl

from toxgrade.errors import FileError, ToxgradeError


def is_panic(error: BaseException) -> bool:
    """Return whether a library written in Rust gave up; each has such a class of its own."""
    return type(error).__name__ == "PanicException"


@contextmanager
def as_damage(explain: Callable[[], str], *, writes: bool = False) -> Iterator[None]:
    """Raise ``FileError`` with what ``explain`` returns for any failure of a reader in the block.

    The reader's own message could show a value. With ``writes`` an ``OSError`` is not touched: it
    may tell of a full disk. Without, it comes of a place that a damaged file names in itself.
    """
    try:
        yield
    except (ToxgradeError, MemoryError):
        raise
    except BaseException as error:
        passes = OSError if writes else ()
        if isinstance(error, passes) or not (isinstance(error, Exception) or is_panic(error)):
            raise
        raise FileError(explain()) from None


def check_readable(frame: pl.LazyFrame, name: str) -> tuple[str, ...]:
    """Return the columns of a frame that scans a file.

    Raises:
        FileError: the file is damaged, or a column's name holds a NUL character, as ours do.
    """
    with as_damage(lambda: f"{name}: damaged or cut off"):
        columns = tuple(frame.collect_schema().names())
    if any("\x00" in column for column in columns):
        raise FileError(f"{name}: the name of a column holds a NUL character")
    return columns
