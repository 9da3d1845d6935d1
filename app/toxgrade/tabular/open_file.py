"""Opening of files: one function that returns a table, whatever the format."""

import glob
import hashlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.damage import as_damage, check_readable
from toxgrade.tabular.delimited import open_text
from toxgrade.tabular.file_format import Shape, check_width, shape, unpack
from toxgrade.tabular.read_options import ReadOptions
from toxgrade.tabular.table import Table, scan_pieces


def open_table(path: Path, options: ReadOptions, folder: Path, name: str | None = None) -> Table:
    """Open one file; ``folder`` is the caller's, empty, for files that must be unpacked.

    ``name``: what messages call the file; its suffix gives the format. None: the path's own name.

    Raises:
        FileError: the file is not what it is declared to be, or cannot be used; it says why.
    """
    name = name or path.name
    found = shape(path, name, options)
    if found.kind in ("csv", "tsv"):
        return open_text(path, name, found, options, folder)
    with as_damage(lambda: f"{name}: damaged or cut off", writes=True):
        scanned = _scan(path, name, found, options, folder)
    columns = check_readable(scanned.rows, name)
    check_width(len(columns), name)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(
        name, found.kind, sha256, scan_pieces(scanned.rows), columns, scanned.told,
        scanned.first_line, undeclared=scanned.undeclared, numbers=scanned.numbers,
    )  # fmt: skip


class _Scanned(NamedTuple):
    """The rows of a file, and what ``Table`` has under the same names."""

    rows: pl.LazyFrame
    told: str
    first_line: int = 1
    undeclared: tuple[str, ...] = ()
    numbers: pl.Series | None = None


def _scan(path: Path, name: str, found: Shape, options: ReadOptions, folder: Path) -> _Scanned:
    from toxgrade.tabular.ndjson import scan_ndjson
    from toxgrade.tabular.parquet_xlsx import read_xlsx, scan_parquet
    from toxgrade.tabular.sas_transport import scan_xpt

    match found.kind:
        case "parquet":
            frame, undeclared = scan_parquet(path, name, options.timezone)
            return _Scanned(frame, "Parquet", undeclared=undeclared)
        case "xlsx":
            sheet = read_xlsx(path, name, options)
            blank = f"; blank rows, left out: {sheet.blank:,}" * bool(sheet.blank)
            told = f"XLSX, sheet {sheet.name}{blank}"
            return _Scanned(
                sheet.rows.lazy(), told, first_line=options.first_row, numbers=sheet.numbers
            )
        case "xpt":
            rows, member = scan_xpt(path, name, options)
            return _Scanned(rows, "SAS XPT" + f", member {member}" * (member is not None))
        case _:
            if found.compression:
                unpacked = folder / f"{name}.ndjson"
                unpack(path, name, found.compression, "utf-8", unpacked, options.max_bytes)
                path = unpacked
            frame, objects = scan_ndjson(path, name, folder)
            return _Scanned(frame, f"NDJSON, {objects}")


def find_files(given: Iterable[str], folder: Path) -> list[Path]:
    """Return the files that paths, patterns (``labs-*.csv``) and ``-`` (standard input) stand for.

    Raises:
        FileError: no file matches a pattern.
    """
    paths: list[Path] = []
    for text in given:
        if text == "-":
            paths.append(folder / "stdin.csv")  # CSV unless another kind is declared.
            with paths[-1].open("wb") as out:
                shutil.copyfileobj(sys.stdin.buffer, out)
        elif Path(text).exists() or not glob.has_magic(text):
            paths.append(Path(text))
        elif matched := sorted(glob.glob(text)):
            paths += map(Path, matched)
        else:
            raise FileError(f"{text}: no file matches")
    return paths
