"""What a file is, from its beginning: encoding, delimiter, sheet, header; and a sample of its rows.

A large text file is sampled at five places, so that looking at ten million rows takes seconds. What
is found is a guess, told with its evidence; reading and grading go by what is declared.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

from toxgrade.tabular.file_format import DELIMITERS, Shape, is_utf16, shape, unpack
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, Encoding, ReadOptions

_HEAD = 1 << 20  # Bytes, of which the first rows are.
_BLOCK = 1 << 20
_SAMPLED = 16 << 20  # Larger files are not read as a whole.
_FIRST_ROWS = 60
_MOST_HEADER_ROWS = 3
_NUMBER = re.compile(r"[<>=≤≥]*\s*[\d.,/: -]*\d[\d.,/:T -]*\s*[HL*+-]{0,3}")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A file as it seems to be.

    ``options``: how it is read, by guesses, each of which ``evidence`` names by its field.
    ``path``: the file, or a sample of it; ``rows``: of the file, None where it was not counted.
    ``parts``: the sheets of a workbook or the members of a library.
    """

    path: Path
    shape: Shape
    options: ReadOptions
    evidence: dict[str, str] = field(default_factory=dict)
    rows: int | None = None
    parts: tuple[str, ...] = ()
    is_part: bool = False


def sample(path: Path, folder: Path, options: ReadOptions = DEFAULT_OPTIONS) -> Sampled:
    """Return what a file seems to be; ``folder`` is the caller's, for samples.

    Raises:
        FileError: its kind is not known or not what it is called.
    """
    found = shape(path, path.name, options)
    if found.kind in ("csv", "tsv"):
        return _sample_text(path, found, folder, options)
    if found.kind == "xlsx":
        return _look_at_workbook(path, found, options)
    if found.kind == "xpt":
        from toxgrade.tabular.sas_transport import find_members  # noqa: PLC0415

        parts = tuple(member.name for member in find_members(path))
        evidence = {}
        if options.sheet is None and len(parts) > 1:
            options = replace(options, sheet="LB" if "LB" in parts else parts[0])
            evidence["sheet"] = f"one of {len(parts)} members: {', '.join(parts)}"
        return Sampled(path, found, options, evidence, parts=parts)
    return Sampled(path, found, options)


def _sample_text(path: Path, found: Shape, folder: Path, options: ReadOptions) -> Sampled:
    source = path
    if found.compression:
        source = folder / path.name.removesuffix(found.compression)
        unpack(path, path.name, found.compression, "utf-8", source, options.max_bytes)
    with source.open("rb") as file:
        head = file.read(_HEAD)
    evidence = {}
    encoding = _encoding(source, head)
    if encoding == "cp1252":
        evidence["encoding"] = "bytes that are not UTF-8"
    text = head.decode(encoding, "replace")
    if len(head) == _HEAD:
        text = text[: text.rfind("\n") + 1]
    delimiter = "\t" if found.kind == "tsv" else _delimiter(text)
    lines = text.lstrip("\ufeff").split("\n")[:_FIRST_ROWS]
    rows = [_fields(line.rstrip("\r"), delimiter) for line in lines]
    options, header = with_header(options, rows)
    evidence |= header
    if encoding == "cp1252":
        options = replace(options, encoding=encoding)
    if found.kind == "csv" and delimiter != ",":
        options = replace(options, delimiter=delimiter)
        evidence["delimiter"] = f"{DELIMITERS[delimiter]}s split the rows alike"
    size = source.stat().st_size
    if size <= _SAMPLED or encoding == "utf-16":
        return Sampled(source, found._replace(compression=""), options, evidence)
    count = _count_lines(source) - (options.first_row - 1)
    part = folder / f"sample-{source.name}"
    _write_blocks(source, part, size)
    kind = found._replace(compression="")
    return Sampled(part, kind, options, evidence, rows=count, is_part=True)


def _encoding(source: Path, head: bytes) -> Encoding:
    if is_utf16(head):
        return "utf-16"
    size = source.stat().st_size
    with source.open("rb") as file:
        for at in (0, size // 2, max(size - _BLOCK, 0)):
            file.seek(at)
            if at:
                file.readline()
            block = file.read(_BLOCK)
            try:
                block[: block.rfind(b"\n") + 1].decode()
            except UnicodeDecodeError:
                return "cp1252"
    return "utf-8"


def _delimiter(text: str) -> str:
    """Return the delimiter that splits most rows into equally many fields."""
    lines = [line for line in text.split("\n")[:_FIRST_ROWS] if line.strip()]

    def alike(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(StringIO("\n".join(lines)), delimiter=delimiter)
        counts = Counter[int]()
        with suppress(csv.Error):  # A long cell, or a line that ends with CR alone.
            counts.update(len(row) for row in reader if len(row) > 1)
        return max(((n, width) for width, n in counts.items()), default=(0, 0))

    return max(DELIMITERS, key=alike)


def _fields(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line; none of what cannot be split, which reading refuses."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _count_lines(source: Path) -> int:
    count = 0
    with source.open("rb") as file:
        while block := file.read(1 << 23):
            count += block.count(b"\n")
    return count


def _write_blocks(source: Path, to: Path, size: int) -> None:
    """Write whole lines of the beginning, of three places between, and of the end."""
    with source.open("rb") as file, to.open("wb") as out:
        for quarter in range(5):
            start = min(size * quarter // 4, size - _BLOCK)
            file.seek(start)
            if start:
                file.readline()
            out.write(file.read(_BLOCK))
            rest = file.readline()
            out.write(rest if rest.endswith(b"\n") or not rest else rest + b"\n")


def with_header(
    options: ReadOptions, rows: Sequence[Sequence[str]]
) -> tuple[ReadOptions, dict[str, str]]:
    """Return options with the header as the first rows show it, and the evidence by field."""
    filled = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    most = max(map(len, filled), default=0)
    least = max(2, round(most * 0.3))
    first = next(
        (at for at, row in enumerate(filled) if len(row) >= least and _has_data(row)), None
    )
    if first is None or first == 0:
        return options, {}
    bottom = first
    while bottom > 0 and not filled[bottom - 1]:
        bottom -= 1
    top = bottom - 1
    while top >= 0 and 0 < len(filled[top]) < least:  # As of a second row of names for a few.
        top -= 1
    if top < 0 or not filled[top] or bottom - top > _MOST_HEADER_ROWS:
        return options, {}
    while top > 0 and len(filled[top - 1]) >= least and bottom - top < _MOST_HEADER_ROWS:
        top -= 1
    evidence = {}
    if top:
        evidence["header_row"] = f"row {top + 1} is the first with {least} texts or more"
    if bottom - top > 1:
        evidence["header_rows"] = f"no numbers or dates in rows {top + 1} to {bottom}"
    if first > bottom:
        evidence["skip_rows"] = "blank rows below the names"
    header = replace(
        options, header_row=top + 1, header_rows=bottom - top, skip_rows=first - bottom
    )
    return header, evidence


def _has_data(row: Sequence[str]) -> bool:
    return any(_NUMBER.fullmatch(cell) for cell in row)


def _look_at_workbook(path: Path, found: Shape, options: ReadOptions) -> Sampled:
    from toxgrade.tabular.parquet_xlsx import first_rows  # noqa: PLC0415

    sheets = first_rows(path, path.name, options, _FIRST_ROWS)
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    evidence = {}
    if options.sheet is None and len(filled) > 1:
        longest = max(filled, key=lambda name: filled[name].height)
        options = replace(options, sheet=longest)
        evidence["sheet"] = f"the longest of {len(filled)} that hold something"
    wanted = options.sheet or next(iter(filled), None)
    if wanted in sheets:
        options, header = with_header(options, sheets[wanted].rows)
        evidence |= header
    return Sampled(path, found, options, evidence, parts=tuple(sheets))
