"""CSV and TSV files: checked in one pass over the bytes, then read in pieces as String columns."""

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from toxgrade.errors import FileError
from toxgrade.tabular.file_format import (
    DELIMITERS,
    SPARE,
    Shape,
    check_signature,
    find_delimiter,
    is_utf16,
    read_header,
    refuse_spare,
    unpack,
)
from toxgrade.tabular.header_rows import copy_table
from toxgrade.tabular.read_options import Encoding, ReadOptions
from toxgrade.tabular.table import Table, scan_pieces

_PIECE = 1 << 22  # Bytes.
_LONGEST_LINE = 4 * _PIECE
_LARGEST_BLOCK = 16 * _PIECE  # 64 MB hold about a million short lines, fewer of hundreds of columns


def open_text(path: Path, name: str, shape: Shape, options: ReadOptions, folder: Path) -> Table:
    """Open a delimited text file; a decompressed or transcoded copy goes into ``folder``.

    Raises:
        FileError: the file is empty or not in its encoding, two columns have one name, a nameless
            column is not empty, lines are too long or end in different ways, or it has NUL bytes.
    """
    encoding = options.encoding or _detect_encoding(path)
    sha256, source = "", path
    if shape.compression or encoding != "utf-8":
        source = folder / f"{len(list(folder.iterdir()))}.text"
        encoding = unpack(path, name, shape.compression, encoding, source, options.max_bytes)
        check_signature(source, name, None)
        sha256 = _digest(path)
    if options.has_other_header:
        table = folder / f"{len(list(folder.iterdir()))}.text"
        copy_table(source, table, name, shape, options)
        sha256, source = sha256 or _digest(path), table
    above = options.first_row - 2
    checked = _check(source, name, above)
    delimiter, detected = find_delimiter(checked.header, shape, options, name)
    schema = read_header(checked.header, delimiter, name)
    columns = tuple(column for column in schema if not column.startswith(SPARE))
    frame = _scan(source, delimiter, schema, name)
    has_breaks = checked.has_quotes and not _one_line_each(frame, checked.lines)
    read_as = [shape.kind.upper(), encoding.upper(), f"{DELIMITERS.get(delimiter, delimiter)}s"]
    if detected:
        read_as[-1] += " (detected)"
    blocks = partial(_blocks, source, delimiter, schema, checked.lines)
    return Table(
        name, shape.kind, sha256 or checked.sha256, scan_pieces(frame) if has_breaks else blocks,
        columns, ", ".join(read_as), options.first_row, has_breaks=has_breaks,
        explain=partial(_explain, source, name, delimiter, above),
    )  # fmt: skip


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(
    source: Path,
    delimiter: str,
    schema: Mapping[str, type[pl.String]],
    lines: int,
    wanted: Sequence[str],
    size: int,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file with one line per row, in blocks of about ``size`` lines.

    The next block is read while the caller uses the current one. polars' own scan reads further
    ahead: for ten million rows it takes 0.5 GB of memory, where this takes 0.1.
    """
    block_size = min(size * (source.stat().st_size // max(lines, 1) + 1), _LARGEST_BLOCK)
    header = delimiter.join('"' + name.replace('"', '""') + '"' for name in schema).encode() + b"\n"

    def rows(text: bytes, *, has_header: bool) -> pl.DataFrame:
        scan = pl.scan_csv(text, separator=delimiter, has_header=has_header, schema=schema)
        return scan.select(wanted).collect()

    def read() -> pl.DataFrame | None:
        # The end of the block is found first, so that it is read into one piece of memory: joining
        # the header, a block and the rest of its last line cost half as much again as reading them.
        start = file.tell()
        file.seek(block_size, os.SEEK_CUR)
        file.readline()
        end = file.tell()
        file.seek(start)
        if not (block := file.read(end - start)):
            return None
        try:
            return rows(block, has_header=False)
        except pl.exceptions.SchemaError:  # The first row has more or fewer fields than the header.
            return rows(header + block, has_header=True)

    with source.open("rb") as file, ThreadPoolExecutor(1) as reader:
        file.readline()
        ahead = reader.submit(read)
        while (found := ahead.result()) is not None:
            ahead = reader.submit(read)
            yield found


def _scan(
    source: Path, delimiter: str, schema: Mapping[str, type[pl.String]], name: str
) -> pl.LazyFrame:
    """Return a scan of all rows without the spare columns, which must be empty."""
    spare = {column: at for at, column in enumerate(schema) if column.startswith(SPARE)}
    if not spare:
        return pl.scan_csv(source, separator=delimiter, schema=schema, glob=False)
    frame = pl.scan_csv(
        source, separator=delimiter, infer_schema=False, new_columns=list(schema), glob=False
    )
    has_text = [(pl.col(column).fill_null("") != "").any() for column in spare]
    with suppress(pl.exceptions.PolarsError):  # Reading the rows will report the error.
        found = frame.select(has_text).collect().row(0)
        refuse_spare([at for at, has in zip(spare.values(), found, strict=True) if has], name)
    return frame.drop(spare)


def _one_line_each(frame: pl.LazyFrame, lines: int) -> bool:
    """Return whether no field holds a line break, so that each row after the header is one line.

    Counting the rows costs a fortieth of reading them; looking for breaks in each field, a half.
    """
    try:
        return int(frame.select(pl.len()).collect().item()) == lines - 1
    except pl.exceptions.PolarsError:
        return False  # Reading the rows will report the error and its line.


def _detect_encoding(path: Path) -> Encoding:
    with path.open("rb") as file:
        return "utf-16" if is_utf16(file.read(4)) else "utf-8"


@dataclass(frozen=True, slots=True)
class _Checked:
    """What ``_check`` found; ``lines`` counts the header too."""

    header: str
    lines: int
    has_quotes: bool
    sha256: str


def _check(path: Path, name: str, above: int) -> _Checked:
    """Hash the bytes in one pass and refuse what could confuse a CSV reader; ``lone``: CR alone.

    ``above`` lines of the file as given are not in ``path``: they count in messages.
    """
    digest, header, quotes, tail, lone, cr_end = hashlib.sha256(), b"", False, 0, 0, False
    line = 1 + above
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            header = header or piece.partition(b"\n")[0]
            ends = piece.count(b"\n")
            if b"\x00" in piece:
                line += piece[: piece.index(b"\x00")].count(b"\n")
                raise FileError(f"{name}, line {line}: a NUL byte; is it text in UTF-8?")
            tail = len(piece) - piece.rindex(b"\n") - 1 if ends else tail + len(piece)
            if tail > _LONGEST_LINE:
                raise FileError(f"{name}, line {line + ends}: longer than {_LONGEST_LINE:,} bytes")
            if cr_end or b"\r" in piece:
                lone += piece.count(b"\r") - piece.count(b"\r\n") - (cr_end and piece[:1] == b"\n")
                cr_end = piece.endswith(b"\r")
            quotes = quotes or b'"' in piece
            line += ends
    if lone:
        text = "lines end in a carriage return alone, or in different ways; expected LF or CR LF"
        raise FileError(f"{name}: {text}")
    try:
        text = header.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise FileError(f"{name}: not UTF-8; declare its encoding") from None
    if not text.strip():
        raise FileError(f"{name}: empty; expected a header and rows")
    return _Checked(text.rstrip("\r"), line - above - (tail == 0), quotes, digest.hexdigest())


def _explain(path: Path, name: str, delimiter: str, above: int) -> str:
    """Return a message that names the first line that is not CSV, but none of its values."""
    line = 1 + above
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True, delimiter=delimiter)
            columns = len(next(rows))
            for row in rows:
                line = rows.line_num + above
                if len(row) > columns:
                    return f"{name}, line {line}: {len(row)} fields under {columns} columns"
    except UnicodeDecodeError:
        return f"{name}, line {_first_not_utf8(path) + above}: not UTF-8; declare its encoding"
    except csv.Error:
        return f"{name}, after line {line}: not CSV (a quotation mark is open or misplaced)"
    return f"{name}: not CSV"


def _first_not_utf8(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
