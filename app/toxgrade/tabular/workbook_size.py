"""How large a workbook becomes once it is read, found before it is.

Its reader makes room for every cell up to the last one of a sheet, and copies a shared text into
each cell that refers to it: a file of a few kilobytes can ask for any memory. Places and texts are
counted as it counts them, or higher. Source: ECMA-376, part 1, 18.3 (sheets), 18.4 (shared texts).
"""

import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO
from xml.parsers import expat

from toxgrade.errors import FileError
from toxgrade.tabular.damage import as_damage

MOST_BYTES = 2**30
"""The most that the parts of a workbook may take once they are unpacked."""

_MAX_CELLS = MOST_BYTES // 32  # A cell takes 32 bytes.
_LONG_TEXT = 1000  # Characters; 50 times the shortest cell that refers to a text.
_MOST_COPIED = 50  # So much a byte: then twice the workbook takes twice the memory.
_PIECE = 1 << 20  # Bytes; no tag, comment or the like is longer.
_SHARED_TEXTS = "sharedstrings.xml"
_SHEET = b"sheetData"
_DIGITS = "0123456789"


def check_size(path: Path, name: str, max_bytes: int) -> None:
    """Refuse a workbook that would not fit into memory, before it is read.

    ``max_bytes``: what its parts may take once they are unpacked.

    Raises:
        FileError: too large, or damaged.
    """
    with as_damage(lambda: f"{name}: damaged or cut off"), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        if unpacked > max_bytes:
            text = f"more than {max_bytes:,} bytes once unpacked; save it as CSV"
            raise FileError(f"{name}: {text}")
        texts = _SharedTexts()
        for part in parts:
            if part.filename.lower().endswith(_SHARED_TEXTS):
                texts.read(archive.open(part))
        copied = 0
        for part in parts:
            if _is_sheet(archive.open(part)):
                sheet = _Sheet(texts.long)
                sheet.read(archive.open(part))
                copied += sheet.copied
                _check_sheet(sheet, name)
        if copied > _MOST_COPIED * unpacked:
            text = f"texts of more than {_LONG_TEXT:,} characters are repeated in so many cells"
            raise FileError(
                f"{name}: {text} that it becomes {_MOST_COPIED} times as long; save it as CSV"
            )


def _check_sheet(sheet: "_Sheet", name: str) -> None:
    if sheet.last_column * sheet.last_row > _MAX_CELLS:
        text = f"a sheet reaches to column {sheet.last_column:,} of row {sheet.last_row:,},"
        raise FileError(
            f"{name}: {text} more than {_MAX_CELLS:,} cells, filled or not; save it as CSV"
        )


def _pieces(part: IO[bytes]) -> Iterator[bytes]:
    with part:
        while piece := part.read(_PIECE):
            yield piece


def _is_sheet(part: IO[bytes]) -> bool:
    """Return whether a part of a workbook may be a sheet, by the name of an element."""
    rest = b""
    for piece in _pieces(part):
        if _SHEET in rest + piece:
            return True
        rest = piece[-len(_SHEET) :]
    return False


def _parser(start: Callable[[str, dict[str, str]], None]) -> expat.XMLParserType:
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse  # It could declare entities.
    parser.StartElementHandler = start
    return parser


def _refuse(*_: object) -> None:
    raise ValueError("expected no document type in a workbook")


def _parse(part: IO[bytes], parser: expat.XMLParserType) -> None:
    """Give a part of a workbook to a parser.

    Raises:
        ValueError: it has what no spreadsheet program writes.
        expat.ExpatError: it is not XML.
    """
    given = 0
    for piece in _pieces(part):
        parser.Parse(piece, False)
        given += len(piece)
        # With each piece the parser reads a tag that has not ended from its beginning again.
        if given - parser.CurrentByteIndex > _PIECE:
            raise ValueError("a tag without end")
    parser.Parse(b"", True)


class _SharedTexts:
    """The texts that cells refer to by number; ``long`` has the lengths of the long ones.

    Characters are counted with whatever stands between them, as phonetic hints.
    """

    def __init__(self) -> None:
        self.long: dict[int, int] = {}
        self._number, self._length, self._is_open = 0, 0, False

    def read(self, part: IO[bytes]) -> None:
        """Read a part; where several give a text the same number, the longest counts."""
        self._number = 0
        parser = _parser(self._start)
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        _parse(part, parser)

    def _start(self, name: str, _: dict[str, str]) -> None:
        if _local(name) == "si":
            if self._is_open:
                raise ValueError("a text within a text")
            self._is_open, self._length = True, 0

    def _add(self, text: str) -> None:
        self._length += len(text)

    def _end(self, name: str) -> None:
        if _local(name) == "si":
            if self._length > _LONG_TEXT:
                self.long[self._number] = max(self._length, self.long.get(self._number, 0))
            self._number, self._is_open = self._number + 1, False


class _Sheet:
    """The cells of a sheet: the last row and column, from 1, of those that have a value.

    ``texts``: the lengths of long shared texts, by number; ``copied`` is the sum over all cells. A
    cell or row without a place follows the one before.
    """

    def __init__(self, texts: dict[int, int]) -> None:
        self.last_row = self.last_column = 1
        self.copied = 0
        self._texts = texts
        self._row = self._column = 0
        self._refers = False
        self._number: list[str] | None = None  # Pieces of a text's number, within its element.

    def read(self, part: IO[bytes]) -> None:
        """Read the part that is the sheet."""
        parser = _parser(self._start)
        if self._texts:
            parser.EndElementHandler = self._end
            parser.CharacterDataHandler = self._add
            parser.DefaultHandler = self._other
        _parse(part, parser)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = _local(name) if ":" in name else name
        if kind == "c":
            self._column += 1
            if place := attributes.get("r"):
                letters = place.rstrip(_DIGITS)
                row, column = int(place[len(letters) :]), _column_number(letters)
                if row > self._row:
                    self._row = row
                if column > self._column:
                    self._column = column
            self._refers = attributes.get("t") == "s"
        elif kind == "v" or kind == "is":
            if self._row > self.last_row:
                self.last_row = self._row
            if self._column > self.last_column:
                self.last_column = self._column
            self._number = [] if self._refers else None
        elif kind == "row":
            self._row = max(self._row + 1, int(attributes.get("r", 0)))
            self._column = 0

    def _add(self, text: str) -> None:
        if self._number is not None:
            self._number.append(text)

    def _other(self, _: str) -> None:
        if self._number is not None:
            raise ValueError("a comment in the number of a text")

    def _end(self, _: str) -> None:
        if self._number is not None and (number := "".join(self._number)):
            if not (number.isascii() and number.isdigit()):
                raise ValueError("expected the number of a text")
            self.copied += self._texts.get(int(number), 0)
        self._number = None


def _local(name: str) -> str:
    """Return the name of an element without its prefix."""
    return name.rpartition(":")[2]


@lru_cache(1024)
def _column_number(letters: str) -> int:
    """Return the number of a column: A is 1, AA 27.

    Raises:
        ValueError: no column has such a name.
    """
    if not (0 < len(letters) <= 3 and letters.isascii() and letters.isalpha()):
        raise ValueError("expected a column of one to three letters")
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number
