"""Reading and writing the files themselves; what cannot be read is refused with its line."""

import csv
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from app.errors import FileError


def read_csv(path: Path) -> pl.DataFrame:
    """Read a CSV file (UTF-8, commas, a header) as String columns, null where empty.

    Raises:
        FileError: not there, empty, not UTF-8, a column named twice, a line with too many fields.
    """
    _check_header(path)
    try:
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError:
        # The library's own message would repeat the line it could not read.
        raise FileError(_why_unreadable(path)) from None


def _check_header(path: Path) -> None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path.name}: not UTF-8") from None
    except csv.Error:
        raise FileError(f"{path.name}: not CSV") from None
    if not header:
        raise FileError(f"{path.name}: empty; expected a header and rows")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise FileError(f"{path.name}: two columns are named {', '.join(twice)}")


def _why_unreadable(path: Path) -> str:
    """The first line that is not CSV with the header's columns."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            columns = len(next(rows))
            for row in rows:
                line = rows.line_num
                if len(row) > columns:
                    return f"{path.name}, line {line}: {len(row)} fields under {columns} columns"
    except UnicodeDecodeError:
        return f"{path.name}, after line {line}: not UTF-8"
    except csv.Error:
        return f"{path.name}, after line {line}: not CSV (a quotation mark is open or misplaced)"
    return f"{path.name}: not CSV"


def line_numbers(frame: pl.DataFrame) -> pl.Series:
    """The line in its CSV file on which each row starts, counting line breaks inside fields."""
    breaks = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0))
    inside = frame.select(breaks.cast(pl.Int64).cum_sum().shift(1, fill_value=0)).to_series()
    return pl.int_range(2, len(frame) + 2, eager=True) + inside


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
