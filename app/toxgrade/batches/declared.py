"""What a caller may declare of files, in words: the same on the command line and over HTTP."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from toxgrade.errors import ReadingError

Kind = Literal["csv", "tsv", "parquet", "ndjson", "xlsx", "xpt"]
Encoding = Literal["utf-8", "latin-1", "cp1252", "utf-16"]


@dataclass(frozen=True, slots=True)
class Option:
    """Something that may be declared: ``name`` in words, ``field`` of ``Reading``.

    ``choices``: the texts it takes (none: what ``read`` takes). ``repeatable``: given more than
    once, every one counts.
    """

    name: str
    field: str
    help: str
    choices: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    repeatable: bool = False
    shown_as: str | None = None

    def value(self, text: str) -> Any:
        """What a text declares.

        Raises:
            ReadingError: says what is accepted.
        """
        if self.choices and text not in self.choices:
            raise ReadingError("not-a-choice", f"expected one of {' '.join(self.choices)}")
        return self.read(text)


def _delimiter(given: str) -> str:
    read = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(read) != 1 or not read.isascii() or read in '"\r\n':
        raise ReadingError("delimiter", "expected one character, or tab")
    return read


_TIMES = {"%H", "%I", "%M", "%S", "%p"}


def _dates(given: str) -> str:
    codes = set(re.findall("%.?", given))
    day, time = codes - _TIMES, codes & _TIMES
    is_day = {"%Y", "%d"} <= day and day - {"%Y", "%d"} in ({"%m"}, {"%b"}, {"%B"})
    if not is_day or (time and time - {"%S"} not in ({"%H", "%M"}, {"%I", "%M", "%p"})):
        text = "expected %Y, %m (or %b, %B) and %d, as %d.%m.%Y, and no time or %H:%M or %I:%M %p"
        raise ReadingError("date-format", text)
    return given


def _pair(given: str) -> tuple[str, str]:
    start, comma, end = given.partition(",")
    if not (start and comma and end):
        raise ReadingError("two-columns", "expected two columns, as RFSTDTC,RFENDTC")
    return start.strip(), end.strip()


FORMAT = Option("format", "kind", "by its suffix, unless given", get_args(Kind))
OPTIONS = (
    Option("encoding", "encoding", "UTF-8, unless given", get_args(Encoding)),
    Option("delimiter", "delimiter", "one character, or tab", read=_delimiter),
    Option("decimal", "decimal", ". or , (.)", (".", ","), shown_as="SIGN"),
    Option("null", "nulls", "means no value (not in analyte); repeatable",
           repeatable=True, shown_as="TEXT"),
    Option("dates", "dates", "such as %d.%m.%Y, beside ISO 8601", read=_dates),
    Option("sheet", "sheet", "the sheet of a workbook"),
    Option("map", "columns", "a column by another name; repeatable",
           repeatable=True, shown_as="OURS=THEIRS"),
    Option("values", "values", "SDTM's reported or standard results (reported)",
           ("reported", "standard")),
    Option("baseline", "baseline",
           "flag: declared baselines (SDTM's flags) count; rule: none", ("rule", "flag")),
    Option("rt_from", "treatment", "the columns of the treatment dates", read=_pair,
           shown_as="START,END"),
)  # fmt: skip
"""All but ``FORMAT``, which HTTP takes from a file's name or media type."""
