"""Running a command, and what those that are refused on purpose end with."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from toxgrade.cli import COMMANDS
from toxgrade.cli.options import Parser, fail

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

GROUPS = {"audit", "criteria", "db", "keys", "ranges"}
"""The commands that have commands of their own."""

_NO_FILE = "unable to open database file"  # SQLite's words


def run(name: str, *given: str) -> None:
    """Run the command; what Toxgrade refuses on purpose ends with one line and exit code 2."""
    from toxgrade.errors import ToxgradeError

    if name not in COMMANDS:
        sys.exit(fail(f"there is no command {name!r}{_nearest(name)}; see toxgrade --help"))
    parser = Parser(prog=f"toxgrade {name}")
    import_module(f"toxgrade.cli.{name}").arguments(parser)
    # Files and options in any order: argparse can do that only where no commands follow.
    read = parser.parse_args if name in GROUPS else parser.parse_intermixed_args
    chosen = vars(read(given))
    try:
        sys.exit(chosen.pop("run")(**chosen))
    except KeyboardInterrupt:
        fail("interrupted")
        sys.exit(130)
    except ToxgradeError as error:
        sys.exit(fail(str(error)))
    except Exception as error:
        from sqlalchemy.exc import SQLAlchemyError

        if not isinstance(error, SQLAlchemyError):
            raise
        sys.exit(fail(_of_the_database(error, name)))


def _of_the_database(error: "SQLAlchemyError", command: str) -> str:
    """Why the database cannot be used."""
    from sqlalchemy.exc import DBAPIError

    database = "the database of TOXGRADE_DATABASE_URL"
    if isinstance(error, DBAPIError) and error.statement is None:
        why = str(error.orig).strip()
        if why == _NO_FILE and command != "db":
            why += " (toxgrade db upgrade makes one)"
        return f"{database} cannot be used: {why}"
    # Of a statement or of what it breaks, the text could hold what was stored.
    return f"{database} does not answer or is not migrated (toxgrade db upgrade)"


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    return f", did you mean {near[0]!r}?" if near else ""
