"""The parser of a command's arguments, and the options, settings and checks that commands share.

It is argparse, which is imported in 5 ms: others took 80 ms, a fifth of grading a small file.
"""

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from toxgrade.errors import ParseError
from toxgrade.tabular.options import FORMAT, OPTIONS, Option, OptionValue

if TYPE_CHECKING:
    from toxgrade.server.settings import Settings
    from toxgrade.tabular.read_options import ReadOptions

_SIMILARITY = 0.85
"""Catches TOXGRADE_DATABSE_URL but not TOXGRADE_SERVICE_PORT, which Kubernetes sets."""

_HELP = {
    "null": "means no value (not in analyte), --null=-- if it begins with a dash; repeatable",
    "map": "a column by another name, or a mapping file (.toml); repeatable",
}
"""Help texts that say more than those of the same options over HTTP."""

_ALL = {option.name for option in (FORMAT, *OPTIONS)}


class Parser(ArgumentParser):
    """An argument parser that reports an error in one line and takes no abbreviations.

    The meaning of an abbreviation would change when another option is added.
    """

    def __init__(self, prog: str | None = None) -> None:
        super().__init__(prog, allow_abbrev=False)

    def runs(self, command: Callable[..., int | None]) -> "Parser":
        """Set the command, called with every argument by name; its docstring is the help text."""
        self.description = command.__doc__
        self.set_defaults(run=command)
        return self

    def _get_values(self, action: Action, arg_strings: list[str]) -> object:
        """Take ``--null=--`` as a value, which Python 3.11 would drop as the end of the options."""
        if action.option_strings and arg_strings == ["--"]:
            return "--"
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        self.exit(2, f"toxgrade: {text}; see {self.prog} --help\n")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a function that parses a whole number from ``least`` to ``most``."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ArgumentTypeError(f"expected a whole number from {least} to {most}")
        return int(text)

    return parse


def fail(message: str) -> int:
    """Print on standard error why a command ends; return its exit code."""
    print(f"toxgrade: {message}", file=sys.stderr)
    return 2


def settings(**given: object) -> "Settings":
    """Return the environment's settings, overridden by ``given``; end the command on a fault."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from toxgrade.server.settings import Settings

    _warn_of_misspelt(Settings.model_fields)
    try:
        return Settings.model_validate(
            Settings().model_dump() | {name: v for name, v in given.items() if v is not None}
        )
    except ValidationError as error:
        for fault in error.errors(include_input=False):
            message = fault["msg"].removeprefix("Value error, ")  # pydantic adds this to our text.
            name = _variable(*fault["loc"])
            fail(f"{name}: {message}" if fault["loc"] else message)
        sys.exit(2)
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        sys.exit(fail(f"{_variable(field)}: expected JSON"))


def _variable(*field: object) -> str:
    return "_".join(("TOXGRADE", *map(str, field))).upper()


def _warn_of_misspelt(fields: Iterable[str]) -> None:
    """Warn of a variable that is nearly named like a setting: it would be ignored silently."""
    known = {_variable(field) for field in fields}
    for name in sorted(os.environ):
        if name.startswith("TOXGRADE_") and name not in known:
            from difflib import get_close_matches

            if near := get_close_matches(name, known, 1, _SIMILARITY):
                fail(f"{name} is no setting and is passed over; did you mean {near[0]}?")


@contextmanager
def cleanup_on_signal() -> Iterator[None]:
    """End a command with KeyboardInterrupt at the first Ctrl-C or SIGTERM, and ignore later ones.

    Temporary files hold patients' data, so nothing may interrupt their removal.
    """
    import signal
    import threading

    signals, main, ended = {signal.SIGINT, signal.SIGTERM}, threading.get_ident(), threading.Event()

    def wait() -> None:
        signal.sigwait(signals)
        ended.set()
        sys.unraisablehook = lambda _: None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # Only this thread takes it.
        signal.raise_signal(signal.SIGINT)  # While polars works it reacts to SIGINT alone.
        signal.pthread_kill(main, signal.SIGUSR1)  # This interrupts a read that waits for input.

    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    except Exception:
        if ended.is_set():  # polars turned one in some hundred interrupts into a TypeError.
            raise KeyboardInterrupt from None
        raise


def check_address(host: str, port: int) -> None:
    """Check that a service can listen on an address, before anything else is done.

    Raises:
        RequestError: the address is taken, not this machine's or not allowed.
    """
    import socket

    from toxgrade.errors import RequestError

    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(address)
    except OSError as error:
        why = f"cannot listen on {host} port {port}: {error.strerror}"
        raise RequestError(f"{why}; --host and --port name another address") from None


def add_file_options(
    parser: Parser, title: str = "how the files are read", only: Collection[str] = _ALL
) -> None:
    """Add the options on how files are read; each is stored under its field of ``ReadOptions``."""
    add = parser.add_argument_group(title).add_argument
    for option in (option for option in (FORMAT, *OPTIONS) if option.name in only):
        text = _HELP.get(option.name, option.help).replace("%", "%%")
        for name, shown in ((option.name, text), (option.formerly, SUPPRESS)):
            if name is not None:
                add(
                    f"--{name.replace('_', '-')}",
                    dest=option.field,
                    type=_parse_function(option),
                    choices=option.choices or None,
                    action="append" if option.repeatable else "store",
                    metavar=option.shown_as,
                    help=shown,
                )


def _parse_function(option: Option) -> Callable[[str], OptionValue]:
    def parse(text: str) -> OptionValue:
        try:
            return option.read(text)
        except ParseError as error:
            raise ArgumentTypeError(error.message) from None

    return parse


def read_options(files: Mapping[str, object]) -> "ReadOptions":
    """Return the read options from the arguments of ``add_file_options``; None: not declared.

    Raises:
        FileError: a mapping file cannot be used.
        RequestError: the declared forms of dates are not all clear.
    """
    import msgspec

    from toxgrade.errors import RequestError
    from toxgrade.tabular.declared_options import declare
    from toxgrade.tabular.mapping_file import load_mapping

    given = {name: value for name, value in files.items() if value is not None}
    mapped = load_mapping(msgspec.convert(given.pop("columns", ()), tuple[str, ...]))
    lists = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    values = msgspec.convert(lists, dict[str, list[str | int | tuple[str, ...]]])
    try:
        return declare(values, mapped)
    except ParseError as error:
        raise RequestError(f"--dates: {error.message}") from None
