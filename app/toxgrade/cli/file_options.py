"""What the command line declares of files: the options of ``toxgrade.tabular.read_options``."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from toxgrade.cli.options import Parser
from toxgrade.errors import ReadingError
from toxgrade.tabular.read_options import FORMAT, OPTIONS, Option

if TYPE_CHECKING:
    from toxgrade.tabular.read_options import Reading

_HELP = {
    "null": "means no value (not in analyte), --null=-- if it begins with a dash; repeatable",
    "map": "a column by another name, or a mapping file (.toml); repeatable",
}
"""Where there is more to say here than over HTTP."""

_ALL = {option.name for option in (FORMAT, *OPTIONS)}


def reading_options(
    parser: Parser, title: str = "how the files are read", only: Collection[str] = _ALL
) -> None:
    """Let the command take them; each is kept under its field of ``Reading``."""
    say = parser.add_argument_group(title).add_argument
    for option in (option for option in (FORMAT, *OPTIONS) if option.name in only):
        say(
            f"--{option.name.replace('_', '-')}",
            dest=option.field,
            type=_reader(option),
            choices=option.choices or None,
            action="append" if option.repeatable else "store",
            metavar=option.shown_as,
            help=_HELP.get(option.name, option.help).replace("%", "%%"),
        )


def _reader(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ReadingError as error:
            raise ArgumentTypeError(error.message) from None

    return read


def declared(files: dict[str, Any]) -> "Reading":
    """The reading that the arguments of ``reading_options`` declare; None: not declared.

    Raises:
        FileError: a mapping file that cannot be used.
    """
    from toxgrade.tabular.mapping import read_mapping
    from toxgrade.tabular.read_options import Reading

    given = {field: value for field, value in files.items() if value is not None}
    if "nulls" in given:
        given["nulls"] = tuple(dict.fromkeys(given["nulls"]))
    return Reading(**given | {"columns": read_mapping(given.get("columns", ()))})
