"""What a caller declares, by options and by a mapping, as ``ReadOptions``; and these as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from toxgrade.errors import FieldFault, FileError, ParseError, RequestError
from toxgrade.tabular.date_forms import check_forms
from toxgrade.tabular.mapping import shown
from toxgrade.tabular.mapping_file import Document, Mapped, load_mapping, mapping
from toxgrade.tabular.options import OPTIONS, Option, OptionValue
from toxgrade.tabular.read_options import DEFAULT_OPTIONS, ReadOptions

_BY_NAME = {name: option for option in OPTIONS for name in (option.name, option.formerly) if name}
_LISTS = ("nulls", "dates", "fill_down")
_Given = dict[str, list[OptionValue]]


def declare(given: _Given, mapped: Mapped) -> ReadOptions:
    """Return what options, by field of ``ReadOptions``, and a mapping declare together.

    Of lists all counts; of what can be said once, the option goes before the mapping's ``[read]``.

    Raises:
        FileError: a mapping names an option that does not exist, or a value that it does not take.
        ParseError: the declared forms of dates are not all clear.
    """
    read: _Given = {}
    for file, section in mapped.read:
        for name, value in section.items():
            option = _BY_NAME.get(name)
            if option is None or option.field == "columns":
                names = [each.name for each in OPTIONS if each.field != "columns"]
                raise FileError(f"{file}: [read] {shown(name)}: expected any of {', '.join(names)}")
            try:
                values = option.of_mapping(value)
            except ParseError as error:
                raise FileError(f"{file}: [read] {name}: {error.message}") from None
            kept = read.get(option.field, []) if option.field in _LISTS else []
            read[option.field] = [*kept, *values]
    fields: dict[str, object] = {}
    for field in (*read, *given):
        both = [*read.get(field, []), *given.get(field, [])]
        fields[field] = tuple(dict.fromkeys(_flat(both))) if field in _LISTS else both[-1]
    declared = replace(msgspec.convert(fields, ReadOptions), columns=mapped.columns)
    check_forms(declared.dates, declared.century)
    return declared


def _flat(values: Iterable[OptionValue]) -> list[str]:
    """Return texts and lists of texts as one list."""
    return [t for value in values for t in (value if isinstance(value, tuple) else [str(value)])]


def with_mapping(given: Iterable[str]) -> ReadOptions:
    """Return what mapping files and pairs alone declare.

    Raises:
        FileError: a file or pair is not a mapping; the message says what is accepted.
    """
    return declare({}, load_mapping(given))


def parse_options(
    words: Iterable[tuple[str, str]], document: Document | None = None
) -> ReadOptions:
    """Return what a caller declares by ``OPTIONS``, each a name and a text, and by a mapping file.

    An empty text declares nothing.

    Raises:
        RequestError: names each option that does not exist, is given twice or is not acceptable.
    """
    given, pairs, faults = _Given(), list[str](), list[FieldFault]()
    for name, text in words:
        try:
            option = _option(name)
            if not text:
                continue
            if option.field == "columns":
                pairs.append(text)
                continue
            given.setdefault(option.field, []).append(option.value(text))
            if len(given[option.field]) > 1 and not option.repeatable:
                raise ParseError("given-twice", "expected once")
        except ParseError as error:
            faults.append(FieldFault((name,), error.code, error.message))
    declared = DEFAULT_OPTIONS
    try:
        mapped = mapping([document, *pairs] if document else pairs)
        if not faults:
            declared = declare(given, mapped)
    except FileError as error:
        faults.append(FieldFault(("map",), "mapping", str(error)))
    except ParseError as error:
        faults.append(FieldFault(("dates",), error.code, error.message))
    if faults:
        raise RequestError("how the file is to be read cannot be accepted as declared", faults)
    return declared


def _option(name: str) -> Option:
    if name not in _BY_NAME:
        names = ", ".join(option.name for option in OPTIONS)
        raise ParseError("unknown-field", f"accepted are {names}")
    return _BY_NAME[name]


def as_json(options: ReadOptions) -> str | None:
    """Return the options that are declared as JSON; None: none is.

    A renamed option is stored and shown under its former name until 1.0, and one form of dates as a
    text.
    """
    declared = {
        option.formerly or option.name: getattr(options, option.field)
        for option in OPTIONS
        if getattr(options, option.field) != getattr(DEFAULT_OPTIONS, option.field)
    }
    if len(options.dates) == 1:
        declared["dates"] = options.dates[0]
    return msgspec.json.encode(declared, order="sorted").decode() if declared else None


def from_json(text: str | None) -> ReadOptions:
    """Return the options that ``as_json`` wrote."""
    declared: dict[str, object] = msgspec.json.decode(text) if text else {}
    return from_fields({_BY_NAME[n].field: value for n, value in declared.items() if n in _BY_NAME})


def from_fields(fields: Mapping[str, object]) -> ReadOptions:
    """Return options by field, as JSON has them, also as earlier versions wrote them."""
    given = dict(fields)
    dates = given.get("dates", ())
    given["dates"] = [dates] if isinstance(dates, str) else dates or ()
    columns = given.get("columns")
    if isinstance(columns, dict) and columns.get("fill_down"):
        given["fill_down"] = [*given.get("fill_down", ()), *columns["fill_down"]]  # type: ignore
    return msgspec.convert(given, ReadOptions)
