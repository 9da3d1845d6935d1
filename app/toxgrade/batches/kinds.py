"""What kind a file is: by its suffix, held against how it begins."""

from pathlib import Path
from typing import NamedTuple, get_args

from toxgrade.batches.declared import Kind
from toxgrade.batches.reading import Reading
from toxgrade.errors import FileError

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


def shape(path: Path, name: str, reading: Reading) -> Shape:
    """The kind of a file, declared or by its suffix, and how it is compressed.

    Raises:
        FileError: an unknown suffix, or content that is something else.
    """
    compression = Path(name).suffix.lower() if Path(name).suffix.lower() in _COMPRESSED else ""
    plain = Path(name).stem if compression else name
    kind = reading.kind or _SUFFIXES.get(Path(plain).suffix.lower())
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
