"""Mapping files: TOML, or ``OURS=THEIRS`` on the command line.

[columns]                     # our column = the file's column
patient = "Pat-ID"
collected = "Drawn"
range = "Normal range"        # both limits in one text
[constants]                   # our column = one text that holds for every row
unit = "U/L"
[[wide]]                      # one entry for each column that holds one analyte
column = "ALT (U/L)"
analyte = "ALT"
unit = "U/L"                  # or unit_column = "ALT unit"; likewise lln, uln, range, collected, …
uln = "40"
[analytes]                    # the site's name of a test = a name, alias or LOINC code
POTAS = "potassium"
[units]                       # the site's unit = ours
"cells/cumm" = "/mm3"
[specimens]                   # the site's specimen = blood, serum, plasma, …, other
SST = "serum"
[read]                        # how the file is read: the options of `toxgrade grade` by name
header_row = 3
dates = ["%d.%m.%Y", "%d.%m.%Y %H:%M"]
decimal = ","
fill_down = ["patient"]       # columns filled once for several rows, as merged cells are
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from toxgrade.errors import FileError
from toxgrade.grading.dictionary import TABLES
from toxgrade.tabular.mapping import ColumnMap, check_names, check_wide, shown

_MOST_PARTS = 64
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*+\.[ \t]*+){{{_MOST_PARTS - 1}}}")
"""A key whose parts are so many that reading it costs their square, in time and memory."""
_DOTTED_KEY = re.compile(rf"^[ \t]*+\[?+\[?+[ \t]*+{_PART}[ \t]*+\.", re.MULTILINE)
"""A line that begins with a dotted key: no mapping has one, and thousands cost more than their
number."""
_TABLES = ("columns", "constants", *TABLES)
_SECTIONS = (*(f"[{table}]" for table in _TABLES), "[[wide]]", "[read]")

Document = tuple[str, bytes]
"""A mapping file: its name for messages, and its content."""


class Mapped(NamedTuple):
    """What mappings say: of the columns, and in ``[read]`` of each file how it is read."""

    columns: ColumnMap
    read: list[tuple[str, Mapping[str, object]]]


def load_mapping(given: Iterable[str]) -> Mapped:
    """Read ``OURS=THEIRS`` pairs and mapping files (``….toml``); later ones override earlier ones.

    Raises:
        FileError: a file or pair is not a mapping; the message says what is accepted.
    """
    return mapping(
        item if "=" in item and not item.endswith(".toml") else _load(Path(item)) for item in given
    )


def mapping(given: Iterable[str | Document]) -> Mapped:
    """Return the mapping of pairs and mapping files' contents; later ones override earlier ones.

    Raises:
        FileError: a file or pair is not a mapping; the message names the key and what is accepted.
    """
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    wide: list[Mapping[str, str]] = []
    names: dict[str, dict[str, str]] = {}
    read: list[tuple[str, Mapping[str, object]]] = []
    for item in given:
        if isinstance(item, str):
            columns |= _pair(item)
            continue
        file, parsed = item[0], _parse_document(*item)
        tables = {table: _texts(parsed.get(table), f"{file}: [{table}]") for table in _TABLES}
        check_names("[columns]", tables["columns"], file)
        check_names("[constants]", tables["constants"], file)
        columns |= tables["columns"]
        constants |= tables["constants"]
        wide += _wide(parsed.get("wide", []), file)
        for table in TABLES:
            names.setdefault(table, {}).update(tables[table])
        read.append((file, _table(parsed.get("read"), f"{file}: [read]")))
    named = {table: pairs for table, pairs in names.items() if pairs}
    return Mapped(ColumnMap(columns, constants, tuple(wide), named), read)


def _pair(text: str) -> dict[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (equals and theirs):
        raise FileError("a mapping: expected OURS=THEIRS, our column and the file's")
    check_names("", [ours])
    return {ours: theirs}


def _load(path: Path) -> Document:
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise FileError(f"{path.name}: {error.strerror}") from None


def _parse_document(name: str, content: bytes) -> dict[str, object]:
    try:
        text = content.decode()
        if _LONG_KEY.search(text):
            raise FileError(f"{name}: not a mapping (a key of {_MOST_PARTS} parts or more)")
        if _DOTTED_KEY.search(text):
            raise FileError(f"{name}: not a mapping (a key with dots; put it in quotes)")
        parsed = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{name}: not TOML ({error})") from None
    except ValueError:  # Of an integer, which the interpreter reads up to some thousand digits.
        raise FileError(f"{name}: not a mapping (a number; expected texts in quotes)") from None
    except RecursionError:
        raise FileError(f"{name}: not a mapping (nested too deep)") from None
    for key in parsed:
        if key not in (*_TABLES, "wide", "read"):
            raise FileError(f"{name}: {shown(key)!r} is none of {', '.join(_SECTIONS)}")
    return parsed


def _table(section: object, where: str) -> Mapping[str, object]:
    """Return a table; raise ``FileError`` if it is something else."""
    if not isinstance(section, dict | None):
        raise FileError(f"{where}: expected a table, as {where.partition(': ')[2]} on a line")
    return section or {}


def _texts(section: object, where: str) -> dict[str, str]:
    """Return a table of texts."""
    found = {}
    for key, text in _table(section, where).items():
        if not isinstance(text, str):
            raise FileError(f'{where} {shown(key)}: expected texts in quotes, as unit = "U/L"')
        found[key] = text
    return found


def _wide(section: object, file: str) -> list[Mapping[str, str]]:
    if not isinstance(section, list):
        raise FileError(f"{file}: expected [[wide]] in double brackets, one for each column")
    entries: list[Mapping[str, str]] = [
        {_ALIASES.get(key, key): text for key, text in _texts(one, f"{file}: [[wide]]").items()}
        for one in section
    ]
    for number, entry in enumerate(entries, 1):
        check_wide(entry, number, file)
    return entries


_ALIASES = {"date_column": "collected_column"}
"""Another name of a key of ``[[wide]]``, which people expect."""
