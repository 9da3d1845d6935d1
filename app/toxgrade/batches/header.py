"""What the first line of a file says: its delimiter and its columns."""

import csv
from collections import Counter
from collections.abc import Sequence

import polars as pl

from toxgrade.batches.kinds import Shape
from toxgrade.batches.reading import Reading
from toxgrade.errors import FileError

_MOST_COLUMNS = 2000
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SPARE = "\x00spare"
"""How the scanned names of columns without a name begin; no file has such a name."""


def find_delimiter(header: str, shape: Shape, reading: Reading, name: str) -> tuple[str, bool]:
    """The declared delimiter, or the one that splits the header most; whether it was detected."""
    if reading.delimiter is not None:
        return reading.delimiter, False
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
