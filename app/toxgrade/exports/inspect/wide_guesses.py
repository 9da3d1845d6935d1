"""Columns of a wide export, each of which holds the results of one test: by their names."""

import re
from collections.abc import Iterator, Sequence

from toxgrade.exports.inspect.column_look import ColumnLook
from toxgrade.exports.inspect.known_names import KnownNames
from toxgrade.exports.inspect.proposal import WideGuess
from toxgrade.exports.inspect.site_words import folded

_PARTS = {
    "unit": {"unit", "units", "einheit", "einh"},
    "range": {"range", "norm", "normbereich", "referenz", "referenzbereich", "normalwert", "ref"},
    "lln": {"lln", "low", "lower", "min", "untere", "unten"},
    "uln": {"uln", "high", "upper", "max", "obere", "oben"},
    "collected": {"date", "datum", "day", "time"},
    "comparator": {"sign", "comparator", "operator", "lc"},
    "indicator": {"flag", "ind", "abnormal"},
    "specimen": {"specimen", "material"},
}  # fmt: skip
"""By our column, words behind a test's name that make the column another thing than its value."""
_VALUE = {"value", "result", "wert", "ergebnis", "messwert", "val", "res"}
_UNIT = re.compile(r"^(?P<test>.+?)[\s_]*[\[(](?P<unit>[^\[\]()]+)[\])]\s*$")
_LEAST = 0.5


def wide_guesses(
    looks: Sequence[ColumnLook], decimal: str, names: KnownNames
) -> Iterator[WideGuess]:
    """Yield an entry for each column of numbers whose name is a test's."""
    parts: dict[str, dict[str, str]] = {}
    values: list[tuple[ColumnLook, str, str | None]] = []
    for look in looks:
        test, part = _split(look.name, names)
        if test is None:
            continue
        if part in _PARTS:
            parts.setdefault(test, {}).setdefault(part, look.name)
        elif look.filled and look.numbers(decimal) >= _LEAST * sum(look.texts.values()):
            values.append((look, test, part))
    for look, test, unit in values:
        analyte = names.means(test)
        assert analyte is not None
        entry = {"column": look.name, "analyte": analyte}
        if unit is not None and names.fits(unit, analyte):
            entry["unit"] = unit
        others = {ours: name for ours, name in parts.get(test, {}).items() if ours not in entry}
        entry |= {f"{ours}_column": name for ours, name in others.items()}
        why = f"{test} is {analyte}" if folded(test) != folded(analyte) else "a test's name"
        why += f", {unit} its unit" if "unit" in entry else ""
        yield WideGuess(entry, f"{why}; {look.filled:,} cells are filled")


def _split(name: str, names: KnownNames) -> tuple[str | None, str | None]:
    """Return the test that a column's name begins with, and its unit or what else it is of it."""
    if names.means(name):
        return name, None
    if (match := _UNIT.match(name)) and names.is_unit(match["unit"].strip()):
        test = match["test"].strip()
        if names.means(test):
            return test, match["unit"].strip()
    words = re.split(r"[\s_]+", name.strip())
    for size in range(len(words) - 1, 0, -1):
        test, rest = " ".join(words[:size]), " ".join(words[size:])
        if not names.means(test):
            continue
        key = folded(rest)
        for ours, known in _PARTS.items():
            if key in known:
                return test, ours
        if key in _VALUE:
            return test, None
        bare = re.sub(r"^(?:wert|value|result|ergebnis)\s+", "", rest, flags=re.IGNORECASE)
        if names.is_unit(bare.strip("[]() ")):
            return test, bare.strip("[]() ")
    return None, None
