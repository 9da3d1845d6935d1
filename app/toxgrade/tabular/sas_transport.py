"""SAS transport files (XPT, versions 5 and 8): libraries of one or more members (data sets).

A library is a sequence of records of 80 bytes; each member begins with two header records, at whose
place no data can look alike by chance. The reader beneath takes all that follows the first member
for its rows, so it is given one member alone.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from toxgrade.errors import FileError
from toxgrade.tabular.damage import as_damage
from toxgrade.tabular.parquet_xlsx import cell_text
from toxgrade.tabular.read_options import ReadOptions

_ROWS_PER_PIECE = 50_000
_RECORD = 80  # Bytes.
_PIECE = _RECORD << 16
_MEMBER = (b"HEADER RECORD*******MEMBER  HEADER", b"HEADER RECORD*******MEMBV8  HEADER")
_DESCRIPTOR = (b"HEADER RECORD*******DSCRPTR HEADER", b"HEADER RECORD*******DSCPTV8 HEADER")
_NAME_LENGTH = (8, 32)  # Of a member, in versions 5 and 8; it follows 8 bytes of its third record.


class Member(NamedTuple):
    """A data set of a library: its name, and where its header begins and its data end, in bytes."""

    name: str
    begin: int
    end: int


def find_members(path: Path) -> list[Member]:
    """Return the members of a library in its order; none where a file has no member's header."""
    found: list[tuple[str, int]] = []
    with path.open("rb") as file:
        for begin in _member_headers(path):
            file.seek(begin + _RECORD)
            record, names = file.read(_RECORD), file.read(_RECORD)
            for descriptor, length in zip(_DESCRIPTOR, _NAME_LENGTH, strict=True):
                if record.startswith(descriptor):
                    name = names[8 : 8 + length].decode("latin-1").strip(" \x00")
                    found.append((name, begin))
    ends = [*(begin for _, begin in found), path.stat().st_size][1:]
    return [Member(name, begin, end) for (name, begin), end in zip(found, ends, strict=True)]


def _member_headers(path: Path) -> Iterator[int]:
    """Yield the places of records that begin like a member's first header."""
    start = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            for header in _MEMBER:
                at = piece.find(header)
                while at >= 0:
                    if at % _RECORD == 0:
                        yield start + at
                    at = piece.find(header, at + 1)
            start += len(piece)


def scan_xpt(
    path: Path, name: str, options: ReadOptions, folder: Path
) -> tuple[pl.LazyFrame, str | None]:
    """Return a scan of a member, all columns String, read in pieces; and its name, of several.

    A copy of one of several members goes into ``folder``.

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
    if len(members) > 1 and member is not None:
        path = _alone(path, members[0].begin, member, folder)
    encoding = None if options.encoding is None else options.encoding.upper()

    def read_piece(offset: int, limit: int, **more: Any) -> Any:
        with as_damage(lambda: f"{name}: damaged, cut off, or in another encoding"):
            return pyreadstat.read_xport(
                path, row_offset=offset, row_limit=limit, output_format="dict", encoding=encoding,
                **more,
            )  # fmt: skip

    columns = read_piece(0, 1, metadataonly=True)[1].column_names
    told = member.name if member is not None and len(members) > 1 else None
    return _scan(columns, read_piece), told


def _wanted(members: list[Member], name: str, wanted: str | None) -> Member | None:
    """Return the member that ``wanted`` names, or the only one; None: no header of any was found.

    Raises:
        FileError: there is no such member, or there are several and none is named.
    """
    names = [member.name for member in members]
    if wanted is not None and wanted not in names:
        raise FileError(f"{name}: there is no such member; it has {', '.join(names)}")
    if wanted is None and len(members) > 1:
        raise FileError(f"{name}: several members ({', '.join(names)}); name one with --sheet")
    chosen = [member for member in members if wanted in (None, member.name)]
    if len(chosen) > 1:
        raise FileError(f"{name}: two members are named {wanted}")
    return chosen[0] if chosen else None


def _alone(path: Path, header: int, member: Member, folder: Path) -> Path:
    """Return a library of one member: the first ``header`` bytes, then the member as it is."""
    copy = folder / f"{len(list(folder.iterdir()))}.member"
    with path.open("rb") as source, copy.open("wb") as out:
        out.write(source.read(header))
        source.seek(member.begin)
        left = member.end - member.begin
        while left > 0 and (piece := source.read(min(left, _PIECE))):
            out.write(piece)
            left -= len(piece)
    return copy


def _scan(names: list[str], read_piece: Callable[..., Any]) -> pl.LazyFrame:
    schema = pl.Schema(dict.fromkeys(names, pl.String))

    def pieces(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, size: int | None
    ) -> Iterator[pl.DataFrame]:
        offset, wanted = 0, list(columns if columns is not None else schema)
        while True:
            found, _ = read_piece(offset, _ROWS_PER_PIECE, usecols=wanted)
            texts = {column: list(map(cell_text, found[column])) for column in wanted}
            frame = pl.DataFrame(texts, schema=dict.fromkeys(wanted, pl.String))
            offset += len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if len(frame) < _ROWS_PER_PIECE or (n_rows is not None and offset >= n_rows):
                return

    return register_io_source(pieces, schema=schema)
