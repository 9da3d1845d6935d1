"""Options that a caller declares for reading files: the same on the command line and over HTTP."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import msgspec

from toxgrade.errors import FieldFault, FileError, ParseError, RequestError
from toxgrade.tabular.mapping import NO_MAPPING, ColumnMap, Document, mapping

Kind = Literal["csv", "tsv", "parquet", "ndjson", "xlsx", "xpt"]
CONTAINERS = ("xlsx", "xpt")
"""The kinds of files that may hold several tables, of which ``sheet`` names one."""
Encoding = Literal["utf-8", "latin-1", "cp1252", "utf-16"]
OptionValue = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its ``name`` for callers and its ``field`` of ``ReadOptions``.

    ``choices``: the texts it accepts (none: those that ``read`` accepts). ``repeatable``: it may be
    given several times, and all count. ``formerly``: its earlier name, accepted until 1.0.
    """

    name: str
    field: str
    help: str
    choices: tuple[str, ...] = ()
    read: Callable[[str], OptionValue] = str
    repeatable: bool = False
    shown_as: str | None = None
    formerly: str | None = None

    def value(self, text: str) -> OptionValue:
        """Return the value that a text declares.

        Raises:
            ParseError: the message says what is accepted.
        """
        if self.choices and text not in self.choices:
            raise ParseError("not-a-choice", f"expected one of {' '.join(self.choices)}")
        return self.read(text)


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


_TIMES = {"%H", "%I", "%M", "%S", "%p"}


def _parse_dates(given: str) -> str:
    codes = set(re.findall("%.?", given))
    day, time = codes - _TIMES, codes & _TIMES
    is_day = {"%Y", "%d"} <= day and day - {"%Y", "%d"} in ({"%m"}, {"%b"}, {"%B"})
    if not is_day or (time and time - {"%S"} not in ({"%H", "%M"}, {"%I", "%M", "%p"})):
        text = "expected %Y, %m (or %b, %B) and %d, as %d.%m.%Y, and no time or %H:%M or %I:%M %p"
        raise ParseError("date-format", text)
    return given


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
    Option("dates", "dates", "such as %d.%m.%Y, beside ISO 8601", read=_parse_dates),
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
           shown_as="START,END", formerly="rt_from"),
    Option("fill_down", "fill_down", "columns filled once for several rows (merged cells)",
           read=_parse_columns, shown_as="COLUMN[,COLUMN]"),
)  # fmt: skip
"""All options but ``FORMAT``, which HTTP takes from a file's name or media type."""


MOST_BYTES = 64 * 2**30
"""Files larger than this once decompressed are refused: decompression bombs, or files to split."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The declared properties of input files.

    ``kind`` None: by suffix. ``encoding`` None: UTF-8, or UTF-16 by its byte order mark.
    ``delimiter`` None: detected in the header. ``decimal``: the decimal sign of values and limits.
    ``nulls``: texts that mean "no value", as an empty field does, in any column but analyte and
    patient. ``dates``: a strptime format that dates may have instead of ISO 8601. ``timezone``:
    the zone in which instants are calendar dates; None: see ``instants.py``. ``sheet`` None:
    the only sheet that is not empty. ``values``: SDTM's reported or its standardised results.
    ``baseline`` ``flag``: SDTM's baseline flags count as declared baselines; ``rule``: no
    declaration counts; None: own columns and a mapping's count, SDTM's flags do not.
    ``treatment``: the columns of the treatment dates (start, end); None: by layout. ``fill_down``:
    the file's columns, or ours, whose empty cells mean the one above. ``max_bytes``: the most that
    is decompressed.
    """

    kind: Kind | None = None
    encoding: Encoding | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] = ()
    dates: str | None = None
    timezone: str | None = None
    sheet: str | None = None
    columns: ColumnMap = NO_MAPPING
    values: Literal["reported", "standard"] = "reported"
    baseline: Literal["rule", "flag"] | None = None
    treatment: tuple[str, str] | None = None
    fill_down: tuple[str, ...] = ()
    max_bytes: int = MOST_BYTES

    @property
    def filled(self) -> tuple[str, ...]:
        """Return the columns that are filled down, by an option or by the mapping."""
        return (*self.fill_down, *self.columns.fill_down)

    def with_dates_of_labs(self) -> "ReadOptions":
        """Return the options of labs without a patients file: they have the treatment dates."""
        if self.treatment is None:
            return self
        dates = dict(zip(("rt_start", "rt_end"), self.treatment, strict=True))
        columns = replace(self.columns, columns={**self.columns.columns, **dates})
        return replace(self, columns=columns)


DEFAULT_OPTIONS = ReadOptions()


def parse_options(
    words: Iterable[tuple[str, str]], document: Document | None = None
) -> ReadOptions:
    """Return what a caller declares by ``OPTIONS``, each a name and a text, and by a mapping file.

    An empty text declares nothing.

    Raises:
        RequestError: names each option that does not exist, is given twice or is not acceptable.
    """
    names = [option.name for option in OPTIONS]
    options = {name: option for option in OPTIONS for name in (option.name, option.formerly)}
    given: dict[str, list[OptionValue]] = {}
    faults = []
    for name, text in words:
        try:
            if name not in options:
                raise ParseError("unknown-field", f"accepted are {', '.join(names)}")
            option = options[name]
            if text:
                given.setdefault(option.field, []).append(option.value(text))
                if len(given[option.field]) > 1 and not option.repeatable:
                    raise ParseError("given-twice", "expected once")
        except ParseError as error:
            faults.append(FieldFault((name,), error.code, error.message))
    pairs = [str(pair) for pair in given.pop("columns", [])]
    nulls = [str(null) for null in given.pop("nulls", [])]
    columns = NO_MAPPING
    try:
        columns = mapping([document, *pairs] if document else pairs)
    except FileError as error:
        faults.append(FieldFault(("map",), "mapping", str(error)))
    if faults:
        raise RequestError("how the file is to be read cannot be accepted as declared", faults)
    single = {field: value for field, (value,) in given.items()}
    declared = msgspec.convert(single, ReadOptions)
    return replace(declared, nulls=tuple(dict.fromkeys(nulls)), columns=columns)


def as_json(options: ReadOptions) -> str | None:
    """Return the options that are declared as JSON; None: none is.

    A renamed option is stored and shown under its former name until 1.0.
    """
    declared = {
        option.formerly or option.name: getattr(options, option.field)
        for option in OPTIONS
        if getattr(options, option.field) != getattr(DEFAULT_OPTIONS, option.field)
    }
    return msgspec.json.encode(declared, order="sorted").decode() if declared else None


def from_json(text: str | None) -> ReadOptions:
    """Return the options that ``as_json`` wrote."""
    declared: dict[str, object] = msgspec.json.decode(text) if text else {}
    fields = {
        option.field: declared[name]
        for option in OPTIONS
        if (name := option.formerly or option.name) in declared
    }
    return msgspec.convert(fields, ReadOptions)
