"""File formats: kind by suffix and first bytes, decompression, encoding, delimiter and header."""

import codecs
import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import polars as pl
import zstandard

from toxgrade.errors import FileError
from toxgrade.tabular.read_options import Encoding, Kind, ReadOptions

_SUFFIXES: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".xlsx": "xlsx", ".xpt": "xpt",
}  # fmt: skip
_TEXT_KINDS = ("csv", "tsv", "ndjson")
_SIGNATURES = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstandard"), (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive or XLSX"), (b"HEADER RECORD*******", "SAS XPT"),
    (b"%PDF", "PDF"), (b"\xd0\xcf\x11\xe0", "an old Office file (.xls)"),
    (b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML"), (b"$fl2", "SPSS"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "SAS7BDAT"),
)  # fmt: skip
_SIGNATURE_OF_KIND = {"parquet": "Parquet", "xlsx": "a zip archive or XLSX", "xpt": "SAS XPT"}
_COMPRESSED = {".gz": "gzip", ".zst": "zstandard"}
_PIECE = 1 << 20  # Bytes.
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MOST_COLUMNS = 2000
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SPARE = "\x00spare"
"""Prefix under which columns without a name are scanned; no text file has such a column name."""


class Shape(NamedTuple):
    """The kind of a file and its compression: ``.gz``, ``.zst``, or empty for none."""

    kind: Kind
    compression: str


def shape(path: Path, name: str, options: ReadOptions) -> Shape:
    """Return the kind of a file, declared or by its suffix, and its compression.

    Raises:
        FileError: the suffix is unknown, or the content begins like another kind.
    """
    compression = Path(name).suffix.lower() if Path(name).suffix.lower() in _COMPRESSED else ""
    plain = Path(name).stem if compression else name
    kind = options.kind or _SUFFIXES.get(Path(plain).suffix.lower())
    if kind is None and Path(name).suffix.lower() == ".zip":
        raise FileError(f"{name}: an archive, which may hold several files: unpack it")
    if kind is None or (compression and kind not in _TEXT_KINDS):
        known = f"{', '.join(_SUFFIXES)}; .csv, .tsv, .ndjson also with .gz or .zst"
        raise FileError(
            f"{name}: the kind of file is not known. Accepted are {known}; or declare it"
        )
    check_signature(path, name, _COMPRESSED.get(compression) or _SIGNATURE_OF_KIND.get(kind))
    return Shape(kind, compression)


def check_signature(path: Path, name: str, expected: str | None) -> None:
    """Refuse a file whose first bytes are not of the ``expected`` format (None: text)."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise FileError(f"{name}: {error.strerror}") from None
    lowered = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = next(
        (
            format_name
            for signature, format_name in _SIGNATURES
            if head.startswith(signature) or lowered.startswith(signature)
        ),
        None,
    )
    if found != expected:
        says = f"this is {found}" if found else f"this is not {expected}"
        wanted = f", not {expected}" if found and expected else "; expected text" * (not expected)
        raise FileError(f"{name}: {says}{wanted}")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_utf16(head: bytes) -> bool:
    """Return whether the first bytes of a file are a byte order mark of UTF-16."""
    return head.startswith(_BYTE_ORDER_MARKS)


def unpack(
    path: Path, name: str, compression: str, encoding: Encoding | None, to: Path, max_bytes: int
) -> Encoding:
    """Write ``path``, decompressed and as UTF-8, to ``to``; return its encoding.

    ``encoding`` None: UTF-8, or UTF-16 by the byte order mark. UTF-8 is copied unchecked.

    Raises:
        FileError: truncated or damaged, not in that encoding, or more than ``max_bytes`` bytes.
        OSError: ``to`` cannot be written, as when the disk is full.
    """
    with _open_decompressed(path, name, compression) as source, to.open("wb") as out:
        piece = source.read(_PIECE)
        found: Encoding = encoding or ("utf-16" if is_utf16(piece) else "utf-8")
        decode = None if found == "utf-8" else codecs.getincrementaldecoder(found)()
        while piece:
            if out.tell() > max_bytes:
                text = f"more than {max_bytes:,} bytes once decompressed; split it"
                raise FileError(f"{name}: {text}")
            out.write(_to_utf8(piece, decode, name, found))
            piece = source.read(_PIECE)
        out.write(_to_utf8(b"", decode, name, found, final=True))
    return found


def _to_utf8(
    piece: bytes,
    decode: codecs.IncrementalDecoder | None,
    name: str,
    encoding: str,
    *,
    final: bool = False,
) -> bytes:
    if decode is None:
        return piece
    try:
        return decode.decode(piece, final).encode()
    except UnicodeError:  # UTF-16 without a byte order mark raises this base class.
        raise FileError(f"{name}: not {encoding}") from None


class _Zstandard:
    """Reads zstandard frames; unlike the library's own reader, raises EOFError for a cut one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False

    def read(self, _: int, /) -> bytes:
        """Return the next piece, empty at the end; a kilobyte of input gives at most some 32 MB."""
        while packed := self._frame.unused_data or self._file.read(1024):
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._begun = True
            if piece := self._frame.decompress(packed):
                return piece
        if self._begun and not self._frame.eof:
            raise EOFError
        return b""


@contextmanager
def _open_decompressed(path: Path, name: str, compression: str) -> Iterator[_Readable]:
    try:
        with path.open("rb") as file:
            if compression == ".gz":
                yield gzip.GzipFile(fileobj=file)
            elif compression == ".zst":
                yield _Zstandard(file)
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        raise FileError(f"{name}: damaged or cut off: it does not decompress") from None


def find_delimiter(header: str, shape: Shape, options: ReadOptions, name: str) -> tuple[str, bool]:
    """Return the declared delimiter or the one that splits the header into most columns.

    The second value is whether a delimiter other than the comma was detected.
    """
    if options.delimiter is not None:
        return options.delimiter, False
    if shape.kind == "tsv":
        return "\t", False
    fields = Counter({delimiter: len(_split(header, delimiter)) for delimiter in DELIMITERS})
    (best, most), (_, second) = fields.most_common(2)
    if most == second > 1:
        raise FileError(f"{name}: its delimiter could be several; declare it")
    return (best, best != ",") if most > 1 else (",", False)


def read_header(header: str, delimiter: str, name: str) -> dict[str, type[pl.String]]:
    """Return the columns to scan as String, spare ones under names that begin with ``SPARE``."""
    if header.count('"') % 2:
        raise FileError(f"{name}: the header does not end on its first line")
    columns = _split(header, delimiter)
    check_width(len(columns), name)
    spare = spare_columns(columns)
    named = [f"{SPARE}{at}" if at in spare else column for at, column in enumerate(columns)]
    check_names(named, name)
    return dict.fromkeys(named, pl.String)


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return []


def check_width(columns: int, file: str) -> None:
    """Check that a file has no more columns than are read.

    Raises:
        FileError: it has; the message says how many there may be.
    """
    if columns > _MOST_COLUMNS:
        raise FileError(f"{file}: {columns:,} columns; at most {_MOST_COLUMNS:,} are read")


def check_names(columns: Sequence[str], file: str) -> None:
    """Check that no two columns of a header have the same name.

    Raises:
        FileError: some have; it names them.
    """
    if duplicates := sorted(name for name, n in Counter(columns).items() if n > 1):
        raise FileError(f"{file}: two columns are named {', '.join(duplicates)}")


def spare_columns(columns: Sequence[str]) -> list[int]:
    """Return the places (from 0) of the columns without a name, where there are several.

    Spreadsheets write such columns, empty, to the right of a table. A single one is a usual column.
    """
    nameless = [place for place, name in enumerate(columns) if not name.strip()]
    return nameless if len(nameless) > 1 else []


def refuse_spare(filled: Sequence[int], file: str) -> None:
    """Refuse columns without a name that are not empty; ``filled``: their places, from 0.

    Raises:
        FileError: ``filled`` is not empty.
    """
    if filled:
        places = ", ".join(str(place + 1) for place in filled)
        text = f"columns without a name are not empty: {places}; the header is the first line"
        raise FileError(f"{file}: {text}")
