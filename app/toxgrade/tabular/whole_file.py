"""A file that is there whole or not at all, also after a crash or a loss of power."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toxgrade.errors import FileError


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file to, which then takes its place.

    Raises:
        OSError: it cannot be written; ``path`` is as it was, and nothing else is left.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        with unfinished.open("r+b") as file:  # Its name must not reach the disk before its bytes.
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Do as ``replaced`` for a file that a user asked for.

    Raises:
        FileError: it cannot be written; the message names it.
    """
    try:
        with replaced(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror or 'it cannot be written'}") from None
