"""The header of a table that has lines above it, several rows of names, or rows below that are no
results, as declared: ``header_row``, ``header_rows``, ``skip_rows``.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from toxgrade.errors import FileError
from toxgrade.grading.parse import WHITE_SPACE
from toxgrade.tabular.file_format import Shape, find_delimiter
from toxgrade.tabular.read_options import ReadOptions

_MARK = b"\xef\xbb\xbf"


def joined_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one name for each column from the header's rows, from the top.

    A text of an upper row stands for the empty cells to its right, too, as merged cells have it.
    A text that the name has already is not repeated.
    """
    if len(rows) == 1:
        return list(rows[0])
    names = [""] * max(map(len, rows))
    for at, row in enumerate(rows):
        above = ""
        for column in range(len(names)):
            text = row[column].strip(WHITE_SPACE) if column < len(row) else ""
            is_upper = at < len(rows) - 1
            above = text or (above if is_upper else "")
            if above and above not in names[column].split(" "):
                names[column] = f"{names[column]} {above}".strip()
    return names


def copy_table(source: Path, to: Path, name: str, shape: Shape, options: ReadOptions) -> None:
    """Write a text file, in UTF-8, without what is declared to be no part of its table.

    The copy has one header row, the names of all of them.

    Raises:
        FileError: the file ends before its header does.
    """
    with source.open("rb") as file, to.open("wb") as out:
        above = [file.readline() for _ in range(options.header_row - 1)]
        header = [file.readline() for _ in range(options.header_rows)]
        if not header[-1].strip():
            row = options.header_row + options.header_rows - 1
            raise FileError(f"{name}: row {row} is empty; expected the header, as header_row says")
        if not above:
            header[0] = header[0].removeprefix(_MARK)
        out.write(header[0] if len(header) == 1 else _joined(header, name, shape, options))
        for _ in range(options.skip_rows):
            file.readline()
        while piece := file.read(1 << 22):
            out.write(piece)


def _joined(header: Sequence[bytes], name: str, shape: Shape, options: ReadOptions) -> bytes:
    try:
        lines = [line.decode().rstrip("\r\n") for line in header]
    except UnicodeDecodeError:
        raise FileError(f"{name}: not UTF-8; declare its encoding") from None
    delimiter, _ = find_delimiter(lines[-1], shape, options, name)
    names = joined_names(list(csv.reader(lines, delimiter=delimiter)))
    quoted = ('"' + text.replace('"', '""') + '"' for text in names)
    end = "\r\n" if header[-1].endswith(b"\r\n") else "\n"
    return (delimiter.join(quoted) + end).encode()
