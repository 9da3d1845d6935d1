"""Mappings for exports that have neither our columns nor SDTM's: TOML files or ``OURS=THEIRS``.

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
[analytes]                    # the site's name of a test = a name, alias or LOINC code
POTAS = "potassium"
[units]                       # the site's unit = ours
"cells/cumm" = "/mm3"
[specimens]                   # the site's specimen = blood, serum, plasma, …, other
SST = "serum"
[read]
fill_down = ["patient"]       # columns filled once for several rows, as merged cells are
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from toxgrade.criteria.model import Analyte
from toxgrade.errors import FileError, RequestError
from toxgrade.grading.dictionary import TABLES, Dictionary, read_dictionary
from toxgrade.grading.parse import COLUMNS

OURS = (*COLUMNS, "source_id", "rt_start", "rt_end")
"""Our columns of a lab export."""
COMPARATOR = "comparator"
"""A column of <, <=, > and >=, which becomes part of the value."""
NAMED = (*OURS, COMPARATOR)
"""The columns that a mapping may name."""

_MOST_PARTS = 64
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:{_PART}[ \t]*+\.[ \t]*+){{{_MOST_PARTS - 1}}}")
"""A key whose parts are so many that reading it costs their square, in time and memory."""
_DOTTED_KEY = re.compile(rf"^[ \t]*+\[?+\[?+[ \t]*+{_PART}[ \t]*+\.", re.MULTILINE)
"""A line that begins with a dotted key: no mapping has one, and thousands cost more than their
number."""
_WIDE = (
    "column", "analyte", "unit", "lln", "uln", "lln_column", "uln_column", "limit_unit", "specimen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """``columns``: ours to the file's; ``constants``: ours to a text; ``wide``: see the module.

    ``dictionary``: the tables of the site's own names. It is false where it maps no column.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    wide: tuple[Mapping[str, str], ...] = ()
    dictionary: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fill_down: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.constants or self.wide)

    def site_names(self, analytes: Iterable[Analyte]) -> Dictionary:
        """Return the dictionary, once each of its entries is understood.

        Raises:
            FileError: names the first entry that is not, and what is accepted.
        """
        try:
            return read_dictionary(self.dictionary, analytes)
        except RequestError as error:
            first = error.faults[0]
            table, number = first.loc
            theirs = list(self.dictionary[str(table)])[int(number)]
            raise FileError(f"a mapping: [{table}] {theirs!r}: {first.message}") from None


NO_MAPPING = ColumnMap()
Document = tuple[str, bytes]
"""A mapping file: its name for messages, and its content."""


def read_mapping(given: Iterable[str]) -> ColumnMap:
    """Read ``OURS=THEIRS`` pairs and mapping files (``….toml``); later ones override earlier ones.

    Raises:
        FileError: a file or pair is not a mapping; the message says what is accepted.
    """
    return mapping(
        item if "=" in item and not item.endswith(".toml") else _load(Path(item)) for item in given
    )


def mapping(given: Iterable[str | Document]) -> ColumnMap:
    """Return the mapping of pairs and mapping files' contents; later ones override earlier ones.

    Raises:
        FileError: a file or pair is not a mapping; the message says what is accepted.
    """
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    wide: list[Mapping[str, str]] = []
    names: dict[str, dict[str, str]] = {}
    fill_down: list[str] = []
    for item in given:
        if isinstance(item, str):
            columns |= _pair(item)
            continue
        parsed = _parse_document(*item)
        columns |= _texts(parsed.get("columns"))
        constants |= _texts(parsed.get("constants"))
        wide += msgspec.convert(parsed.get("wide", []), list[dict[str, str]])
        for table in TABLES:
            names.setdefault(table, {}).update(_texts(parsed.get(table)))
        fill_down += _fill_down(item[0], parsed.get("read", {}))
    if not {*columns, *constants} <= {*NAMED}:
        raise FileError(f"a mapping: a column that is not one of ours: {', '.join(NAMED)}")
    for number, entry in enumerate(wide, 1):
        _check_wide(entry, number)
    named = {table: pairs for table, pairs in names.items() if pairs}
    return ColumnMap(columns, constants, tuple(wide), named, tuple(fill_down))


def _pair(text: str) -> dict[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (equals and theirs):
        raise FileError("a mapping: expected OURS=THEIRS, our column and the file's")
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
    accepted = {"columns": dict, "constants": dict, "wide": list, **dict.fromkeys(TABLES, dict)}
    for key, section in parsed.items():
        if key == "read":
            continue
        texts = [section] if isinstance(section, dict) else section
        if not isinstance(section, accepted.get(key, ())) or not all(map(_holds_texts, texts)):
            tables = ", ".join(f"[{table}]" for table in ("columns", "constants", *TABLES))
            text = f'expected {tables}, [[wide]] and [read] of texts in quotes, as uln = "40"'
            raise FileError(f"{name}: {text}")
    return parsed


def _fill_down(name: str, read: object) -> list[str]:
    """Return the columns of the section ``[read]`` that are filled down."""
    columns = read.get("fill_down", []) if isinstance(read, dict) else None
    is_list = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    if not is_list or not isinstance(read, dict) or read.keys() - {"fill_down"}:
        raise FileError(f'{name}: expected in [read] only fill_down = ["patient"]')
    return list(columns or ())


def _texts(section: object) -> dict[str, str]:
    return msgspec.convert(section or {}, dict[str, str])


def _holds_texts(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(text, str) for text in table.values())


def _check_wide(entry: Mapping[str, str], number: int) -> None:
    if entry.keys() - set(_WIDE):
        raise FileError(f"[[wide]] entry {number}: a key that is not one of {', '.join(_WIDE)}")
    if missing := [name for name in ("column", "analyte") if name not in entry]:
        raise FileError(f"[[wide]] entry {number} lacks {missing[0]}")
