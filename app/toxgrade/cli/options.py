"""How a command's arguments are declared and read: argparse, with what all commands share.

The standard library's parser, since it is there in 5 ms: others took 80, a fifth of grading a small
file.
"""

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from toxgrade.errors import ParseError
from toxgrade.tabular.read_options import FORMAT, OPTIONS, Option

if TYPE_CHECKING:
    from toxgrade.server.settings import Settings
    from toxgrade.tabular.read_options import ReadOptions


class Parser(ArgumentParser):
    """Refuses in one line, and knows no abbreviations: later options would change their meaning."""

    def __init__(self, **given: Any) -> None:
        super().__init__(allow_abbrev=False, **given)

    def runs(self, command: Callable[..., int | None]) -> "Parser":
        """This parser's command: called with every argument by name; its docstring is the help."""
        self.description = command.__doc__
        self.set_defaults(run=command)
        return self

    def _get_values(self, action: Action, arg_strings: list[str]) -> Any:
        """``--null=--`` is a value, which Python 3.11 would drop as the end of the options."""
        if action.option_strings and arg_strings == ["--"]:
            return "--"
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        self.exit(2, f"toxgrade: {text}; see {self.prog} --help\n")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers in these bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ArgumentTypeError(f"expected a whole number from {least} to {most}")
        return int(text)

    return read


_NEAR = 0.85  # TOXGRADE_DATABSE_URL, not the TOXGRADE_SERVICE_PORT that Kubernetes sets


def fail(message: str) -> int:
    """Say on standard error why a command ends; its exit code."""
    print(f"toxgrade: {message}", file=sys.stderr)
    return 2


def settings(**given: object) -> "Settings":
    """The environment's settings, with what the command line gives instead."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from toxgrade.server.settings import Settings

    _tell_misspelt(Settings.model_fields)
    try:
        return Settings.model_validate(
            Settings().model_dump() | {name: v for name, v in given.items() if v is not None}
        )
    except ValidationError as error:
        for fault in error.errors(include_input=False):
            said = fault["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
            name = _variable(*fault["loc"])
            fail(f"{name}: {said}" if fault["loc"] else said)
        sys.exit(2)
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        sys.exit(fail(f"{_variable(field)}: expected JSON"))


def _variable(*field: object) -> str:
    return "_".join(("TOXGRADE", *map(str, field))).upper()


def _tell_misspelt(fields: Iterable[str]) -> None:
    """Warn of a variable that is nearly a setting's: it would be passed over in silence."""
    known = {_variable(field) for field in fields}
    for name in sorted(os.environ):
        if name.startswith("TOXGRADE_") and name not in known:
            from difflib import get_close_matches

            if near := get_close_matches(name, known, 1, _NEAR):
                fail(f"{name} is no setting and is passed over; did you mean {near[0]}?")


@contextmanager
def cleanup_on_signal() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end a command by KeyboardInterrupt, and hold back those that
    follow: what it has put aside are patients' data, to be removed undisturbed.
    """
    import signal
    import threading

    signals, main, ended = {signal.SIGINT, signal.SIGTERM}, threading.get_ident(), threading.Event()

    def wait() -> None:
        signal.sigwait(signals)
        ended.set()
        sys.unraisablehook = lambda _: None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # here, and nowhere else
        signal.raise_signal(signal.SIGINT)  # the one that polars heeds while it works
        signal.pthread_kill(main, signal.SIGUSR1)  # and what waits for input looks up

    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    except Exception:
        if ended.is_set():  # polars makes a TypeError of one KeyboardInterrupt in some hundred
            raise KeyboardInterrupt from None
        raise


def check_address(host: str, port: int) -> None:
    """Check, before anything is done, that a service can listen there.

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


_HELP = {
    "null": "means no value (not in analyte), --null=-- if it begins with a dash; repeatable",
    "map": "a column by another name, or a mapping file (.toml); repeatable",
}
"""Where there is more to say here than over HTTP."""

_ALL = {option.name for option in (FORMAT, *OPTIONS)}


def add_file_options(
    parser: Parser, title: str = "how the files are read", only: Collection[str] = _ALL
) -> None:
    """Let the command take them; each is kept under its field of ``ReadOptions``."""
    add = parser.add_argument_group(title).add_argument
    for option in (option for option in (FORMAT, *OPTIONS) if option.name in only):
        text = _HELP.get(option.name, option.help).replace("%", "%%")
        for name, shown in ((option.name, text), (option.formerly, SUPPRESS)):
            if name is not None:
                add(
                    f"--{name.replace('_', '-')}",
                    dest=option.field,
                    type=_reader(option),
                    choices=option.choices or None,
                    action="append" if option.repeatable else "store",
                    metavar=option.shown_as,
                    help=shown,
                )


def _reader(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.read(text)
        except ParseError as error:
            raise ArgumentTypeError(error.message) from None

    return read


def read_options(files: dict[str, Any]) -> "ReadOptions":
    """The reading that the arguments of ``add_file_options`` declare; None: not declared.

    Raises:
        FileError: a mapping file that cannot be used.
    """
    from toxgrade.tabular.mapping import read_mapping
    from toxgrade.tabular.read_options import ReadOptions

    given = {field: value for field, value in files.items() if value is not None}
    if "nulls" in given:
        given["nulls"] = tuple(dict.fromkeys(given["nulls"]))
    return ReadOptions(**given | {"columns": read_mapping(given.get("columns", ()))})
