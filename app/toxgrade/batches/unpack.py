"""Bytes made ready to be read as text: decompressed and transcoded, in pieces and bounded."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import zstandard

from toxgrade.batches.declared import Encoding
from toxgrade.errors import FileError

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
