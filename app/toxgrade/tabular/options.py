"""The options on how files are read: the same on the command line, over HTTP, in mapping files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from toxgrade.errors import ParseError
from toxgrade.tabular.date_forms import parse_century, parse_dates
from toxgrade.tabular.read_options import Encoding, Kind

OptionValue = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its ``name`` for callers and its ``field`` of ``ReadOptions``.

    ``choices``: the texts it accepts (none: those that ``read`` accepts). ``repeatable``: it may be
    given several times, and all count. ``formerly``: its earlier name, accepted until 1.0.
    ``columns``: its value are columns, which a mapping file may list.
    """

    name: str
    field: str
    help: str
    choices: tuple[str, ...] = ()
    read: Callable[[str], OptionValue] = str
    repeatable: bool = False
    shown_as: str | None = None
    formerly: str | None = None
    columns: bool = False

    def value(self, text: str) -> OptionValue:
        """Return the value that a text declares.

        Raises:
            ParseError: the message says what is accepted.
        """
        if self.choices and text not in self.choices:
            raise ParseError("not-a-choice", f"expected one of {' '.join(self.choices)}")
        return self.read(text)

    def of_mapping(self, given: object) -> list[OptionValue]:
        """Return the values that ``[read]`` of a mapping file has: a text, a number, or a list.

        Raises:
            ParseError: the message says what is accepted.
        """
        texts = given if isinstance(given, list) else [given]
        if isinstance(given, list) and not (self.repeatable or self.columns):
            raise ParseError("list", "expected one, not a list")
        if any(isinstance(text, bool) or not isinstance(text, str | int) for text in texts):
            raise ParseError("text", "expected a text in quotes" + ", or a list of them")
        if isinstance(given, list) and self.columns:
            self.read(",".join("x" for _ in texts))  # Are they as many as are wanted?
            return [tuple(map(str, texts))]
        return [self.value(str(text)) for text in texts]


def _parse_delimiter(given: str) -> str:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ParseError("delimiter", "expected one character, or tab")
    return delimiter


def parse_timezone(given: str) -> str:
    """Return a time zone's name; raise ``ParseError`` if there is no such zone."""
    import polars as pl  # noqa: PLC0415 - `--help` does without it

    try:
        pl.select(pl.lit(0).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(given))
    except pl.exceptions.PolarsError:
        raise ParseError("timezone", "expected a zone such as Europe/Berlin or UTC") from None
    return given


_MOST_ROWS = 1000


def _whole(least: int) -> Callable[[str], int]:
    def parse(given: str) -> int:
        if not (given.isascii() and given.isdigit() and least <= int(given[:9]) <= _MOST_ROWS):
            raise ParseError("rows", f"expected a number from {least} to {_MOST_ROWS}")
        return int(given)

    return parse


def _parse_pair(given: str) -> tuple[str, str]:
    start, comma, end = given.partition(",")
    if not (start and comma and end):
        raise ParseError("two-columns", "expected two columns, as RFSTDTC,RFENDTC")
    return start.strip(), end.strip()


def _parse_columns(given: str) -> tuple[str, ...]:
    columns = tuple(name.strip() for name in given.split(","))
    if not all(columns):
        raise ParseError("columns", "expected columns, as patient or patient,collected")
    return columns


FORMAT = Option("format", "kind", "by its suffix, unless given", get_args(Kind))
OPTIONS = (
    Option("encoding", "encoding", "UTF-8, unless given", get_args(Encoding)),
    Option("delimiter", "delimiter", "one character, or tab", read=_parse_delimiter),
    Option("decimal", "decimal", ". or , (.)", (".", ","), shown_as="SIGN"),
    Option("null", "nulls", "means no value (not in analyte); repeatable",
           repeatable=True, shown_as="TEXT"),
    Option("dates", "dates", "such as %d.%m.%Y; excel or sas: serial days; repeatable",
           repeatable=True, read=parse_dates, shown_as="FORM"),
    Option("century", "century", "of two-digit years: the first of the hundred years, as 1950",
           read=parse_century, shown_as="YEAR"),
    Option("header_row", "header_row", "the row of the columns' names, if it is not the first",
           read=_whole(1), shown_as="ROW"),
    Option("header_rows", "header_rows", "how many rows together are the names (1)",
           read=_whole(1), shown_as="ROWS"),
    Option("skip_rows", "skip_rows", "how many rows below the names are no results (0)",
           read=_whole(0), shown_as="ROWS"),
    Option("strip", "strip", "flags: values without 1.8 H, 5.2*, a repeated unit; words as signs",
           ("flags",)),
    Option("timezone", "timezone", "of timestamps that are instants, such as Europe/Berlin",
           read=parse_timezone, shown_as="ZONE"),
    Option("sheet", "sheet", "the sheet of a workbook"),
    Option("map", "columns", "a column by another name; repeatable",
           repeatable=True, shown_as="OURS=THEIRS"),
    Option("values", "values", "SDTM's reported or standard results (reported)",
           ("reported", "standard")),
    Option("baseline", "baseline",
           "flag: declared baselines (SDTM's flags) count; rule: none", ("rule", "flag")),
    Option("treatment_columns", "treatment", "the columns of the treatment dates", read=_parse_pair,
           columns=True, shown_as="START,END", formerly="rt_from"),
    Option("fill_down", "fill_down", "columns filled once for several rows (merged cells)",
           columns=True, read=_parse_columns, shown_as="COLUMN[,COLUMN]"),
)  # fmt: skip
"""All options but ``FORMAT``, which HTTP takes from a file's name or media type."""
