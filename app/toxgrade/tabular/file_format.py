"""What kind a file is: by its suffix, held against how it begins."""

import codecs
import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol, get_args

import polars as pl
import zstandard

from toxgrade.errors import FileError
from toxgrade.tabular.read_options import Encoding, Kind, ReadOptions

_SUFFIXES: dict[str, Kind] = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson",
    ".xlsx": "xlsx", ".xpt": "xpt",
}  # fmt: skip
_TEXTS = ("csv", "tsv", "ndjson")
_BEGINNINGS = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstandard"), (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a zip archive or XLSX"), (b"HEADER RECORD*******", "SAS XPT"),
    (b"%PDF", "PDF"), (b"\xd0\xcf\x11\xe0", "an old Office file (.xls)"),
    (b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML"), (b"$fl2", "SPSS"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "SAS7BDAT"),
)  # fmt: skip
_BEGINS = {"parquet": "Parquet", "xlsx": "a zip archive or XLSX", "xpt": "SAS XPT"}
_COMPRESSED = {".gz": "gzip", ".zst": "zstandard"}


class Shape(NamedTuple):
    """``compression`` is ``.gz``, ``.zst`` or empty."""

    kind: Kind
    compression: str


def shape(path: Path, name: str, options: ReadOptions) -> Shape:
    """The kind of a file, declared or by its suffix, and how it is compressed.

    Raises:
        FileError: an unknown suffix, or content that is something else.
    """
    compression = Path(name).suffix.lower() if Path(name).suffix.lower() in _COMPRESSED else ""
    plain = Path(name).stem if compression else name
    kind = options.kind or _SUFFIXES.get(Path(plain).suffix.lower())
    if kind is None or (compression and kind not in _TEXTS):
        known = f"{', '.join(_SUFFIXES)}; .csv, .tsv, .ndjson also with .gz or .zst"
        raise FileError(
            f"{name}: the kind of file is not known. Accepted are {known}; or declare it"
        )
    check_beginning(path, name, _COMPRESSED.get(compression) or _BEGINS.get(kind))
    return Shape(kind, compression)


def check_beginning(path: Path, name: str, expected: str | None) -> None:
    """Refuse a file that begins as another kind; ``expected`` None: any text."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise FileError(f"{name}: {error.strerror}") from None
    lowered = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = next(
        (
            what
            for begin, what in _BEGINNINGS
            if head.startswith(begin) or lowered.startswith(begin)
        ),
        None,
    )
    if found != expected:
        says = f"this is {found}" if found else f"this is not {expected}"
        wanted = f", not {expected}" if found and expected else "; expected text" * (not expected)
        raise FileError(f"{name}: {says}{wanted}")


KINDS: tuple[str, ...] = get_args(Kind)


_PIECE = 1 << 20
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_utf16(head: bytes) -> bool:
    """Whether a file says by its byte order mark that it is UTF-16."""
    return head.startswith(_BYTE_ORDER_MARKS)


def unpack(
    path: Path, name: str, compression: str, encoding: Encoding | None, to: Path, most: int
) -> Encoding:
    """Write ``path`` to ``to`` as UTF-8; the encoding that it was found to have.

    Raises:
        FileError: truncated or damaged, not in that encoding, or more than ``most`` bytes.
        OSError: ``to`` cannot be written, as when the disk is full.
    """
    with _opened(path, name, compression) as source, to.open("wb") as out:
        piece = source.read(_PIECE)
        found: Encoding = encoding or ("utf-16" if is_utf16(piece) else "utf-8")
        decode = None if found == "utf-8" else codecs.getincrementaldecoder(found)()
        while piece:
            if out.tell() > most:
                text = f"more than {most:,} bytes once decompressed; split it"
                raise FileError(f"{name}: {text}")
            out.write(_utf8(piece, decode, name, found))
            piece = source.read(_PIECE)
        out.write(_utf8(b"", decode, name, found, final=True))
    return found


def _utf8(
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
    except UnicodeError:  # UTF-16 without a byte order mark is no UnicodeDecodeError
        raise FileError(f"{name}: not {encoding}") from None


class _Zstandard:
    """Reads zstandard frames and, unlike the library's own reader, notices where one is cut off."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False

    def read(self, _: int, /) -> bytes:
        """The next piece; empty at the end. A kilobyte becomes at most some 32 MB."""
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
def _opened(path: Path, name: str, compression: str) -> Iterator[_Readable]:
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


_MOST_COLUMNS = 2000
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SPARE = "\x00spare"
"""How the scanned names of columns without a name begin; no file has such a name."""


def find_delimiter(header: str, shape: Shape, options: ReadOptions, name: str) -> tuple[str, bool]:
    """The declared delimiter, or the one that splits the header most; whether it was detected."""
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
    """The columns as they are scanned, spare ones under names that no file has."""
    if header.count('"') % 2:
        raise FileError(f"{name}: the header does not end on its first line")
    columns = _split(header, delimiter)
    if len(columns) > _MOST_COLUMNS:
        text = f"{len(columns):,} columns; at most {_MOST_COLUMNS:,} are read"
        raise FileError(f"{name}: {text}")
    spare = spare_columns(columns)
    named = [f"{SPARE}{at}" if at in spare else column for at, column in enumerate(columns)]
    check_names(named, name)
    return dict.fromkeys(named, pl.String)


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return []


def check_names(columns: Sequence[str], file: str) -> None:
    """Check that a header tells its columns apart.

    Raises:
        FileError: two have the same name.
    """
    if twice := sorted(name for name, n in Counter(columns).items() if n > 1):
        raise FileError(f"{file}: two columns are named {', '.join(twice)}")


def spare_columns(columns: Sequence[str]) -> list[int]:
    """The places of columns without a name, where there are several: spreadsheets write such to the
    right of a table, and empty. One alone is a column like others.
    """
    nameless = [place for place, name in enumerate(columns) if not name.strip()]
    return nameless if len(nameless) > 1 else []


def refuse_spare(filled: Sequence[int], file: str) -> None:
    """Refuse columns without a name that hold something, by their places.

    Raises:
        FileError: there are some.
    """
    if filled:
        places = ", ".join(str(place + 1) for place in filled)
        text = f"columns without a name are not empty: {places}; the header is the first line"
        raise FileError(f"{file}: {text}")
