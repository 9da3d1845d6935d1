"""A mapping for exports that have neither our columns nor SDTM's: from a TOML file or ``a=b``.

[columns]                     # our column = the file's column
patient = "Pat-ID"
collected = "Drawn"
[constants]                   # our column = one text that holds for every row
unit = "U/L"
[[wide]]                      # one entry for each column that holds one analyte
column = "ALT (U/L)"
analyte = "ALT"
unit = "U/L"
uln = "40"                    # or uln_column = "ALT ULN"; likewise lln
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toxgrade.errors import FileError
from toxgrade.grading.parse import COLUMNS

OURS = (*COLUMNS, "source_id", "rt_start", "rt_end")
"""What a mapping may name: our columns of a lab export."""

_WIDE = ("column", "analyte", "unit", "lln", "uln", "lln_column", "uln_column", "limit_unit")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """``columns``: ours to theirs. ``constants``: ours to a text. ``wide``: see the module."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: tuple[Mapping[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.constants or self.wide)


NO_MAPPING = ColumnMap()
Document = tuple[str, bytes]
"""A mapping file: its name for messages, and its content."""


def read_mapping(given: Iterable[str]) -> ColumnMap:
    """Read ``OURS=THEIRS`` pairs and mapping files (``….toml``), later ones going first.

    Raises:
        FileError: a file or pair that is not a mapping; says what is accepted.
    """
    return mapping(
        one if "=" in one and not one.endswith(".toml") else _document(Path(one)) for one in given
    )


def mapping(given: Iterable[str | Document]) -> ColumnMap:
    """The mapping of ``OURS=THEIRS`` pairs and mapping files' contents, later ones going first.

    Raises:
        FileError: a file or pair that is not a mapping; says what is accepted.
    """
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    wide: list[Mapping[str, str]] = []
    for one in given:
        if isinstance(one, str):
            columns |= _pair(one)
            continue
        read = _read(*one)
        columns |= read.get("columns", {})
        constants |= read.get("constants", {})
        wide += read.get("wide", [])
    if not {*columns, *constants} <= {*OURS}:
        raise FileError(f"a mapping: a column that is not one of ours: {', '.join(OURS)}")
    for number, entry in enumerate(wide, 1):
        _check_wide(entry, number)
    return ColumnMap(columns, constants, tuple(wide))


def _pair(text: str) -> dict[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (equals and theirs):
        raise FileError("a mapping: expected OURS=THEIRS, our column and the file's")
    return {ours: theirs}


def _document(path: Path) -> Document:
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None


def _read(name: str, content: bytes) -> dict[str, Any]:
    try:
        read = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{name}: not TOML ({error})") from None
    except RecursionError:
        raise FileError(f"{name}: not a mapping (nested too deep)") from None
    accepted = {"columns": dict, "constants": dict, "wide": list}
    for key, part in read.items():
        texts = [part] if isinstance(part, dict) else part
        if not isinstance(part, accepted.get(key, ())) or not all(map(_holds_texts, texts)):
            text = 'expected [columns], [constants] and [[wide]] of texts in quotes, as uln = "40"'
            raise FileError(f"{name}: {text}")
    return read


def _holds_texts(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(text, str) for text in table.values())


def _check_wide(entry: Mapping[str, str], number: int) -> None:
    if entry.keys() - set(_WIDE):
        raise FileError(f"[[wide]] entry {number}: a key that is not one of {', '.join(_WIDE)}")
    if missing := [name for name in ("column", "analyte") if name not in entry]:
        raise FileError(f"[[wide]] entry {number} lacks {missing[0]}")
