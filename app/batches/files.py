"""Writing files: whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from app.errors import FileError


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write CSV or Parquet by the suffix; the file has its name only once it is whole.

    Raises:
        FileError: another suffix, or the file cannot be written.
    """
    check_output(path)
    with whole(path) as unfinished:
        if path.suffix == ".parquet":
            frame.write_parquet(unfinished)
        else:
            frame.write_csv(unfinished)


def check_output(path: Path) -> None:
    """Refuse an output that could not be written, before the work is done.

    Raises:
        FileError: the suffix is not one that is written, or the folder is not there.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise FileError(f"{path.name}: the output is .csv or .parquet")
    if not path.parent.is_dir():
        raise FileError(f"{path.name}: the folder {path.parent} does not exist")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write under another name that gets ``path`` when all went well."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as the manifest names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
