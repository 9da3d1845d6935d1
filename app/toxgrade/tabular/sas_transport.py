"""SAS transport files (XPT, versions 5 and 8): libraries of one or more members (data sets).

A library is a sequence of records of 80 bytes; each member begins with two header records, at whose
place no data can look alike by chance. The reader beneath takes all that follows the first member
for its rows, and reads what it is to skip: it is given a member's header with some of its rows.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import polars as pl
from polars.io.plugins import register_io_source

from toxgrade.errors import FileError
from toxgrade.tabular.damage import as_damage
from toxgrade.tabular.file_format import check_names
from toxgrade.tabular.parquet_xlsx import cell_text
from toxgrade.tabular.read_options import ReadOptions

if TYPE_CHECKING:
    from pyreadstat.pyclasses import metadata_container

_Read: TypeAlias = "tuple[dict[str, list[object]], metadata_container]"
"""The cells by column, and what the header says."""

_ROWS_PER_PIECE = 50_000
_LONGEST_PIECE = 1 << 25  # Bytes.
_RECORD = 80  # Bytes.
_PIECE = _RECORD << 16
_MEMBER = (b"HEADER RECORD*******MEMBER  HEADER", b"HEADER RECORD*******MEMBV8  HEADER")
_DESCRIPTOR = (b"HEADER RECORD*******DSCRPTR HEADER", b"HEADER RECORD*******DSCPTV8 HEADER")
_NAME_LENGTH = (8, 32)  # Of a member, in versions 5 and 8; it follows 8 bytes of its third record.
_DATA = (b"HEADER RECORD*******OBS     HEADER", b"HEADER RECORD*******OBSV8   HEADER")
_BEFORE_COLUMNS = 5 * _RECORD  # The last of these records has the number of columns.
_COUNT = slice(53, 58)
_ROW_COUNT = slice(48, 63)  # In the last record of version 8 before the rows; 0: not known.
_COLUMN = 140  # Bytes that describe one.


class Member(NamedTuple):
    """A data set of a library: its name, and where its header begins and its data end, in bytes."""

    name: str
    begin: int
    end: int


def find_members(path: Path) -> list[Member]:
    """Return the members of a library in its order; none where a file has no member's header."""
    found: list[tuple[str, int]] = []
    with path.open("rb") as file:
        for begin in _records(path, _MEMBER):
            file.seek(begin + _RECORD)
            record, names = file.read(_RECORD), file.read(_RECORD)
            for descriptor, length in zip(_DESCRIPTOR, _NAME_LENGTH, strict=True):
                if record.startswith(descriptor):
                    name = names[8 : 8 + length].decode("latin-1").strip(" \x00")
                    found.append((name, begin))
    ends = [*(begin for _, begin in found), path.stat().st_size][1:]
    return [Member(name, begin, end) for (name, begin), end in zip(found, ends, strict=True)]


def _records(path: Path, beginnings: tuple[bytes, ...], start: int = 0) -> Iterator[int]:
    """Yield the places of records that have one of ``beginnings``; ``start`` is a record's, too."""
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(_PIECE):
            for beginning in beginnings:
                at = piece.find(beginning)
                while at >= 0:
                    if at % _RECORD == 0:
                        yield start + at
                    at = piece.find(beginning, at + 1)
            start += len(piece)


def scan_xpt(path: Path, name: str, options: ReadOptions) -> tuple[pl.LazyFrame, str | None]:
    """Return a scan of a member, all columns String, read in pieces; and its name, of several.

    Raises:
        FileError: damaged or not XPT; or several members, and none of them is named.
    """
    try:
        import pyreadstat  # noqa: PLC0415 - an extra
    except ImportError:
        raise FileError(f"{name}: reading SAS XPT needs: pip install toxgrade[xpt]") from None
    if path.stat().st_size % _RECORD:
        raise FileError(f"{name}: damaged or cut off")
    members = find_members(path)
    member = _wanted(members, name, options.sheet)
    encoding = None if options.encoding is None else options.encoding.upper()

    def read(
        content: bytes, *, metadataonly: bool = False, row_limit: int = 0,
        usecols: list[str] | None = None,
    ) -> _Read:  # fmt: skip
        with as_damage(lambda: f"{name}: damaged, cut off, or in another encoding"):
            return pyreadstat.read_xport(
                BytesIO(content),
                output_format="dict",
                encoding=encoding,
                metadataonly=metadataonly,
                row_limit=row_limit,
                usecols=usecols,
            )

    with as_damage(lambda: f"{name}: damaged or cut off"):
        header, begin = _header(path, members[0].begin, member)
    _, found = read(header, metadataonly=True)
    check_names(found.column_names, name)
    width = sum(found.variable_storage_width.values())
    whole, filled = _count_rows(path, name, begin, member.end, width)
    # A damaged count, which is no number, is refused by the reader.
    declared = int(header[-_RECORD:][_ROW_COUNT]) if header[-_RECORD:].startswith(_DATA[1]) else 0
    if declared and not filled <= declared <= whole:
        raise FileError(f"{name}: damaged or cut off")
    rows = _Rows(path, header, begin, width, declared or filled)
    return _scan(found.column_names, rows, read), member.name if len(members) > 1 else None


def _header(path: Path, library: int, member: Member) -> tuple[bytes, int]:
    """Return the header of a library of one member, and where that one's rows begin in the file.

    Raises:
        Exception: the header is damaged.
    """
    with path.open("rb") as file:
        content = file.read(library)
        file.seek(member.begin + _BEFORE_COLUMNS - _RECORD)
        columns = int(file.read(_RECORD)[_COUNT])
        after = -(-columns * _COLUMN // _RECORD) * _RECORD
        # No record is taken for the last one that only describes columns.
        places = _records(path, _DATA, member.begin + _BEFORE_COLUMNS + after)
        begin = next(places) + _RECORD
        if begin > member.end:
            raise EOFError
        file.seek(member.begin)
        return content + file.read(begin - member.begin), begin


def _count_rows(path: Path, name: str, begin: int, end: int, width: int) -> tuple[int, int]:
    """Return the number of rows of ``width`` bytes between two places; and the number without blank
    ones at the end, which version 5 does not tell from the blanks that fill the last record.

    Raises:
        FileError: the last row is not whole.
    """
    whole = (end - begin) // width if width else 0
    with path.open("rb") as file:
        file.seek(begin + whole * width)
        if file.read(end - file.tell()).strip(b" \x00"):
            raise FileError(f"{name}: damaged or cut off")
        last = begin + whole * width
        while last > begin:
            first = max(begin, last - _PIECE)
            file.seek(first)
            if filled := file.read(last - first).rstrip(b" "):
                return whole, -(-(first + len(filled) - begin) // width)
            last = first
    return whole, 0


def _wanted(members: list[Member], name: str, wanted: str | None) -> Member:
    """Return the member that ``wanted`` names, or the only one.

    Raises:
        FileError: there is none, or no such member, or there are several and none is named.
    """
    if not members:
        raise FileError(f"{name}: damaged or cut off")
    names = [member.name for member in members]
    if wanted is not None and wanted not in names:
        raise FileError(f"{name}: there is no such member; it has {', '.join(names)}")
    if wanted is None and len(members) > 1:
        raise FileError(f"{name}: several members ({', '.join(names)}); name one with --sheet")
    chosen = [member for member in members if wanted in (None, member.name)]
    if len(chosen) > 1:
        raise FileError(f"{name}: two members are named {wanted}")
    return chosen[0]


class _Rows(NamedTuple):
    """The ``number`` rows of a member, of ``width`` bytes each, which ``begin`` at a place."""

    path: Path
    header: bytes
    begin: int
    width: int
    number: int

    def library(self, first: int, count: int) -> bytes:
        """Return a library of ``count`` rows and one more, by which blank ones are not the last."""
        with self.path.open("rb") as file:
            file.seek(self.begin + first * self.width)
            rows = file.read(count * self.width) + b"." * self.width
        return self.header + rows + b" " * (-len(rows) % _RECORD)


def _scan(names: list[str], rows: _Rows, read: Callable[..., _Read]) -> pl.LazyFrame:
    schema = pl.Schema(dict.fromkeys(names, pl.String))
    size = max(1, min(_ROWS_PER_PIECE, _LONGEST_PIECE // max(rows.width, 1)))

    def pieces(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = list(columns if columns is not None else schema)
        end = rows.number if n_rows is None else min(n_rows, rows.number)
        for first in range(0, end, size):
            count = min(size, end - first)
            found, _told = read(rows.library(first, count), row_limit=count, usecols=wanted)
            texts = {column: list(map(cell_text, found[column])) for column in wanted}
            frame = pl.DataFrame(texts, schema=dict.fromkeys(wanted, pl.String))
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(pieces, schema=schema)
