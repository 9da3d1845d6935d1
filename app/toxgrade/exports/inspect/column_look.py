"""What the texts of a column look like: dates, numbers, tests, units, ranges, flags, signs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from toxgrade.errors import ParseError
from toxgrade.grading.parse import WHITE_SPACE, read_collected, read_value
from toxgrade.grading.specimens import is_unknown_specimen
from toxgrade.tabular.declared_cells import SIGNS, as_declared
from toxgrade.tabular.read_options import ReadOptions

_MOST = 2_000  # Different texts that are looked at; the most frequent.
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:([ T])(\d{1,2}):\d{2}(:\d{2})?)?")
_WORDED = re.compile(r"\d{1,2}([-. ]?)[A-Za-z]{3}\1\d{4}")
_OTHERS = {"%Y/%m/%d": re.compile(r"\d{4}/\d{2}/\d{2}"), "%Y%m%d": re.compile(r"(?:19|20)\d{6}")}
_SERIAL = re.compile(r"[234]\d{4}(?:\.\d+)?")  # 1954 to 2036.
_INDICATORS = {"N", "H", "L", "HH", "LL", "NORMAL", "HIGH", "LOW", "A", "*", "+", "-", "++", "--"}
_SIGNED = re.compile(r"(?:[<>≤≥]|(?:less|greater) than)", re.IGNORECASE)
_SEXES = {"m", "f", "w", "male", "female", "mannlich", "weiblich", "männlich", "d"}
_MIDDLE = 12  # Of a day or month that could be either.


@dataclass(frozen=True)
class DateLook:
    """The forms that dates have, with counts; ``unordered`` are of ``1/2/2011``, day or month."""

    forms: Mapping[str, int]
    iso: int
    unordered: int


@dataclass(frozen=True)
class ColumnLook:
    """A column of a sample: its different texts, trimmed, the most frequent first, with counts."""

    name: str
    filled: int
    different: int
    texts: Mapping[str, int]

    def count(self, holds: Callable[[str], bool]) -> int:
        """Return how many cells have a text of which something holds."""
        return sum(n for text, n in self.texts.items() if holds(text))

    def share(self, holds: Callable[[str], bool]) -> float:
        """Return of what part of the filled cells something holds."""
        return self.count(holds) / max(sum(self.texts.values()), 1)

    @cached_property
    def dates(self) -> DateLook:
        """Return the forms of its dates."""
        return _dates(self.texts)

    @property
    def date_share(self) -> float:
        """Return what part of the filled cells are dates."""
        look = self.dates
        return (sum(look.forms.values()) + look.iso + look.unordered) / max(
            sum(self.texts.values()), 1
        )

    def numbers(self, decimal: str) -> int:
        """Return how many cells are numbers once cleaned."""
        pairs = zip(self._read(decimal), self.texts.values(), strict=True)
        return sum(n for text, n in pairs if is_value(text))

    def _read(self, decimal: str) -> list[str]:
        return declared({"value": self.texts}, decimal)["value"].to_list()

    def ranges(self, decimal: str) -> int:
        """Return how many cells are printed ranges of two limits, or of one with a word or sign."""
        read = declared({"range": self.texts}, decimal)
        found = read.select(
            (pl.col("lln").is_not_null() | pl.col("uln").is_not_null())
            & (pl.col("uln").is_null() | pl.col("uln").str.contains(r"^[0-9.]+$"))
        ).to_series()
        plain = re.compile(r"[\d.,]+")
        pairs = zip(self.texts.items(), found, strict=True)
        return sum(n for (text, n), is_range in pairs if is_range and not plain.fullmatch(text))

    @property
    def signs(self) -> float:
        """Return what part of the filled cells are signs of comparison."""
        return self.share(lambda text: text.casefold() in SIGNS)

    @property
    def has_signs(self) -> bool:
        """Return whether a number has a sign of comparison before it."""
        return any(_SIGNED.match(text) for text in self.texts)

    @property
    def indicators(self) -> float:
        """Return what part of the filled cells are flags of normal, high or low."""
        return self.share(lambda text: text.upper().strip("*!()") in _INDICATORS or text == "*")

    @property
    def sexes(self) -> float:
        """Return what part of the filled cells name a sex."""
        return self.share(lambda text: text.casefold() in _SEXES)

    @property
    def specimens(self) -> float:
        """Return what part of the filled cells name a specimen."""
        # Numbers of nine digits may be codes of specimens, and are orders, patients and phones.
        return self.share(lambda t: any(map(str.isalpha, t)) and not is_unknown_specimen(t))


def look_at(name: str, column: pl.Series) -> ColumnLook:
    """Return what a column of texts looks like."""
    texts = column.cast(pl.String).str.strip_chars(WHITE_SPACE).replace("", None).drop_nulls()
    counted = texts.alias("text").value_counts(sort=True, name="n")
    return ColumnLook(name, len(texts), len(counted), dict(counted.head(_MOST).iter_rows()))


def declared(texts: Mapping[str, Mapping[str, int]], decimal: str) -> pl.DataFrame:
    """Return texts as reading them with a decimal sign and a cleaning gives them."""
    options = ReadOptions(decimal="," if decimal == "," else ".", strip="flags")
    frame = pl.DataFrame({n: list(found) for n, found in texts.items()}).cast(pl.String)
    return frame.select(**as_declared({name: pl.col(name) for name in texts}, options))


def is_value(text: str | None) -> bool:
    """Return whether a text is a value as grading reads one."""
    try:
        return bool(text) and read_value(text or "") is not None
    except ParseError:
        return False


def _dates(texts: Mapping[str, int]) -> DateLook:
    forms: dict[str, int] = {}
    parts = [(match, n) for text, n in texts.items() if (match := _DATE.fullmatch(text))]
    dotted = _first([match for match, _ in parts if match[2] == "."], "d")
    others = _first([match for match, _ in parts if match[2] != "."], None)
    unordered = 0
    for match, n in parts:
        first = dotted if match[2] == "." else others
        if first is None:
            unordered += n
            continue
        second = "m" if first == "d" else "d"
        sign, year = match[2], "%Y" if len(match[4]) == len("2011") else "%y"
        clock = f"{match[5]}%H:%M" + ":%S" * bool(match[7]) if match[5] else ""
        _add(forms, f"%{first}{sign}%{second}{sign}{year}{clock}", n)
    for text, n in texts.items():
        if match := _WORDED.fullmatch(text):
            _add(forms, f"%d{match[1]}%b{match[1]}%Y", n)
        for form, look in _OTHERS.items():
            if look.fullmatch(text):
                _add(forms, form, n)
    iso = sum(n for text, n in texts.items() if _is_iso(text))
    return DateLook(forms, iso, unordered)


def _first(dates: Sequence[re.Match[str]], usual: str | None) -> str | None:
    """Return what stands first in dates, ``d`` or ``m``; None: they do not show it, or both."""
    month_first = any(int(match[3]) > _MIDDLE for match in dates)
    day_first = any(int(match[1]) > _MIDDLE for match in dates)
    if month_first and day_first:
        return None
    return "m" if month_first else "d" if day_first else usual


def serials(look: ColumnLook) -> int:
    """Return how many cells may be serial days of a spreadsheet."""
    return look.count(lambda text: bool(_SERIAL.fullmatch(text)))


def _is_iso(text: str) -> bool:
    try:
        return "-" in text and read_collected(text) is not None
    except ParseError:
        return False


def _add(counts: dict[str, int], key: str, n: int) -> None:
    counts[key] = counts.get(key, 0) + n
