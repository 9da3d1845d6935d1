"""Any file that is read, as a table: one function whatever its format."""

import glob
import hashlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.delimited import open_text
from toxgrade.tabular.file_format import Shape, shape, unpack
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import Table, scanned


def open_table(path: Path, options: ReadOptions, folder: Path, name: str | None = None) -> Table:
    """Open one file; ``folder`` is an empty place for what must be unpacked, and is the caller's.

    ``name``: what messages call it and whose suffix counts, where that is not the path's own.

    Raises:
        FileError: it is not what it is declared to be or cannot be used; the message says why.
    """
    name = name or path.name
    found = shape(path, name, options)
    if found.kind in ("csv", "tsv"):
        return open_text(path, name, found, options, folder)
    frame, told, first_line = _scan(path, name, found, options, folder)
    try:
        columns = tuple(frame.collect_schema().names())
    except pl.exceptions.PolarsError:
        raise FileError(f"{name}: damaged or cut off") from None
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(name, found.kind, sha256, scanned(frame), columns, told, first_line)


def _scan(
    path: Path, name: str, found: Shape, options: ReadOptions, folder: Path
) -> tuple[pl.LazyFrame, str, int]:
    """The frame, how it was read, and the line of its first row."""
    from toxgrade.tabular.ndjson import scan_ndjson
    from toxgrade.tabular.parquet_xlsx_xpt import read_xlsx, scan_parquet, scan_xpt

    match found.kind:
        case "parquet":
            return scan_parquet(path, name), "Parquet", 1
        case "xlsx":
            rows, sheet = read_xlsx(path, name, options)
            return rows.lazy(), f"XLSX, sheet {sheet}", 2
        case "xpt":
            return scan_xpt(path, name, options), "SAS XPT", 1
        case _:
            if found.compression:
                unpacked = folder / f"{name}.ndjson"
                unpack(path, name, found.compression, "utf-8", unpacked, options.max_bytes)
                path = unpacked
            frame, objects = scan_ndjson(path, name, folder)
            return frame, f"NDJSON, {objects}", 1


def find_files(given: Iterable[str], folder: Path) -> list[Path]:
    """The files that paths, patterns (``labs-*.csv``) and ``-`` (standard input) stand for.

    Raises:
        FileError: a pattern that nothing matches.
    """
    paths: list[Path] = []
    for one in given:
        if one == "-":
            paths.append(folder / "stdin.csv")  # unless another kind is declared
            with paths[-1].open("wb") as out:
                shutil.copyfileobj(sys.stdin.buffer, out)
        elif Path(one).exists() or not glob.has_magic(one):
            paths.append(Path(one))
        elif matched := sorted(glob.glob(one)):
            paths += map(Path, matched)
        else:
            raise FileError(f"{one}: no file matches")
    return paths
