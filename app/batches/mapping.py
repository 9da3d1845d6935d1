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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import FileError
from app.grading.rows import COLUMNS

OURS = (*COLUMNS, "source_id", "rt_start", "rt_end")
"""What a mapping may name: our columns of a lab export."""

_WIDE = ("column", "analyte", "unit", "lln", "uln", "lln_column", "uln_column", "limit_unit")


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """``columns``: ours to theirs. ``constants``: ours to a text. ``wide``: see the module."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: Sequence[Mapping[str, str]] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.constants or self.wide)


NO_MAPPING = ColumnMap()


def read_mapping(given: Iterable[str]) -> ColumnMap:
    """Read ``OURS=THEIRS`` pairs and mapping files (``….toml``), later ones going first.

    Raises:
        FileError: a file or pair that is not a mapping; says what is accepted.
    """
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    wide: list[Mapping[str, str]] = []
    for one in given:
        ours, equals, theirs = one.partition("=")
        if equals and not one.endswith(".toml"):
            columns[ours] = theirs
            continue
        read = _read_file(Path(one))
        columns |= read.get("columns", {})
        constants |= read.get("constants", {})
        wide += read.get("wide", [])
    for name in (*columns, *constants):
        if name not in OURS:
            raise FileError(f"--map: {name} is not one of our columns: {', '.join(OURS)}")
    for number, entry in enumerate(wide, 1):
        _check_wide(entry, number)
    return ColumnMap(columns, constants, tuple(wide))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path.name}: not TOML ({error})") from None
    accepted = {"columns": dict, "constants": dict, "wide": list}
    for name, part in read.items():
        texts = [part] if isinstance(part, dict) else part
        if not isinstance(part, accepted.get(name, ())) or not all(map(_holds_texts, texts)):
            text = "expected [columns] and [constants] of texts and [[wide]] entries"
            raise FileError(f"{path.name}: {name}: {text}")
    return read


def _holds_texts(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(text, str) for text in table.values())


def _check_wide(entry: Mapping[str, str], number: int) -> None:
    if unknown := sorted(entry.keys() - set(_WIDE)):
        raise FileError(f"[[wide]] entry {number}: {unknown[0]} is not one of {', '.join(_WIDE)}")
    if missing := [name for name in ("column", "analyte") if name not in entry]:
        raise FileError(f"[[wide]] entry {number} lacks {missing[0]}")
