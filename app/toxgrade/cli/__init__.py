"""The command ``toxgrade``: it finds the requested subcommand, runs it and reports its errors.

``--help`` and ``--version`` import no subcommand; each subcommand imports what it needs.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

_ABOUT = """\
Usage: toxgrade COMMAND [OPTIONS] ...

Grades laboratory toxicity per CTCAE v4.0 (release 4.03), 5.0 or 6.0, acute or
late. A clinician decides; this computes.

Commands:
"""
COMMANDS = {
    "grade": "grade lab exports: every row comes out, with its grades or its reason",
    "inspect": "look at a lab export before it is graded, and propose a mapping",
    "compare": "where two graders agree on the same results, and why they do not",
    "serve": "migrate the database and serve the HTTP API",
    "worker": "grade and store uploaded batches",
    "mllp": "take HL7 v2 messages (ORU^R01) over MLLP",
    "pull": "read results and radiotherapy from an EHR's FHIR server",
    "report": "a study's toxicity table: how many patients had which grade",
    "plot": "a picture of a cohort, or the timeline of one patient",
    "regrade": "grade a study again by another edition or interpretation",
    "ranges": "a study's own reference ranges",
    "keys": "keys to the HTTP service",
    "audit": "who did what: print the head of the record, verify all of it",
    "db": "migrate the database",
    "criteria": "check, print and compare the criteria files",
    "validate": "check this installation against its specification; a dated report",
}
"""What each command does. Each is a module of this package; the overview imports none of them."""
GROUPS = {"audit", "criteria", "db", "keys", "ranges"}
"""The commands that have actions of their own, such as ``toxgrade keys create``."""

_READING = {"compare", "grade", "inspect", "plot", "ranges"}
"""The commands that read files of any kind."""

_NO_FILE = "unable to open database file"  # This is SQLite's message.


def main() -> None:
    """Print the overview or the version, or run the command that the arguments name."""
    arguments = sys.argv[1:]
    if isinstance(sys.stdout, TextIOWrapper):  # Tests replace standard output by other objects.
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:  # Other programs expect UTF-8, whatever the locale is.
            sys.stdout.reconfigure(encoding="utf-8")
    if arguments in ([], ["--help"], ["-h"]):
        commands = "".join(f"  {name:<10}{what}\n" for name, what in COMMANDS.items())
        print(f"{_ABOUT}{commands}\nMore: toxgrade COMMAND --help; toxgrade --version.")
        sys.exit(0 if arguments else 2)
    if arguments == ["--version"]:
        from toxgrade import __version__

        print(f"toxgrade {__version__}")
        return
    gc.set_threshold(150_000)  # Imported objects stay: visiting them repeatedly took 20 ms.
    try:
        run(*arguments)
    finally:
        gc.freeze()  # The last collection at exit would visit all imported objects: 60 ms.


def run(name: str, *given: str) -> None:
    """Run a command; an error that is raised on purpose prints one line, with exit code 2."""
    from toxgrade.cli.options import Parser, fail
    from toxgrade.errors import ToxgradeError

    if name not in COMMANDS:
        sys.exit(fail(f"there is no command {name!r}{_nearest(name)}; see toxgrade --help"))
    parser = Parser(prog=f"toxgrade {name}")
    import_module(f"toxgrade.cli.{name}").arguments(parser)
    # argparse takes files and options in any order only for a command without actions.
    parse = parser.parse_args if name in GROUPS else parser.parse_intermixed_args
    chosen = vars(parse(given))
    try:
        with panics_unprinted() if name in _READING else nullcontext():
            code = chosen.pop("run")(**chosen)
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # Who reads the output has had enough, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        fail("interrupted")
        sys.exit(130)
    except ToxgradeError as error:
        sys.exit(fail(str(error)))
    except ModuleNotFoundError as error:
        if (error.name or "toxgrade").startswith("toxgrade"):
            raise
        needs = "pip install 'toxgrade[server]'"
        sys.exit(fail(f"this command needs the service's packages ({error.name}): {needs}"))
    except BaseException as error:  # A panic of a library written in Rust is no Exception.
        text = None if isinstance(error, SystemExit) else _library_failure(error, name)
        if text is None:
            raise
        sys.exit(fail(text))


@contextmanager
def panics_unprinted() -> Iterator[None]:
    """Drop what libraries themselves write to standard error: the trace of a panic, which may hold
    a value, before it becomes our own error. What Python writes there is written as ever.
    """
    ours = sys.stderr
    if not isinstance(ours, TextIOWrapper) or ours.fileno() != 2:  # Tests replace it.
        yield
        return
    with (
        os.fdopen(os.dup(2), "w", 1, ours.encoding, "backslashreplace") as told,
        open(os.devnull, "wb") as nowhere,
    ):
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = told
        try:
            yield
        finally:
            sys.stderr = ours
            os.dup2(told.fileno(), 2)


def _library_failure(error: BaseException, command: str) -> str | None:
    """Return why a command ends by a library's error or for lack of memory; None: by another."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; split the files, or save them as CSV"
    if "polars" in sys.modules:
        from polars.exceptions import PanicException, PolarsError

        if isinstance(error, PolarsError | PanicException):  # Its message could show a value.
            what = "the files cannot be graded as they are"
            return f"{what}: an unforeseen {type(error).__name__}; please report it"
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import SQLAlchemyError

        if isinstance(error, SQLAlchemyError):
            return _database_failure(error, command)
    return None


def _database_failure(error: "SQLAlchemyError", command: str) -> str:
    """Return why the database cannot be used, without any stored value."""
    from sqlalchemy.exc import DBAPIError

    from toxgrade.server.records.db.failures import NOT_MIGRATED, reason_of

    database = "the database of TOXGRADE_DATABASE_URL"
    reason = reason_of(getattr(error, "orig", None))
    if reason is not None and reason != NOT_MIGRATED:
        return f"{database} cannot be used: {reason}"
    if isinstance(error, DBAPIError) and error.statement is None:
        why = str(error.orig).strip()
        if why.startswith("Could not decode"):  # SQLite quotes the text.
            return f"{database} holds a text that is not UTF-8"
        if why == _NO_FILE and command != "db":
            why += " (toxgrade db upgrade makes one)"
        return f"{database} cannot be used: {why}"
    # The error of a statement could quote stored values.
    return f"{database} does not answer or is not migrated (toxgrade db upgrade)"


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    return f", did you mean {near[0]!r}?" if near else ""
