"""The audit: print its heads to keep elsewhere, and verify it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.environment import settings

if TYPE_CHECKING:
    from app.records.verify import Head

audit = typer.Typer(help="Who did what: one hash chain per study.", no_args_is_help=True)


@audit.command("head")
def head() -> None:
    """Print each study's newest entry: name, number, hash. Keep it outside the database."""
    from app.records.engine import snapshot
    from app.records.verify import heads

    with snapshot(settings().database_url) as connection:
        for study, (seq, newest) in heads(connection).items():
            print(study, seq, newest)


@audit.command("verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(help="A line that `toxgrade audit head` printed, or a file of them."),
    ] = None,
) -> None:
    """Find every edit, deletion, insertion and reordering; exit code 1 if there is any."""
    from app.records.engine import snapshot
    from app.records.verify import count
    from app.records.verify import verify as find_broken

    kept = dict(_line(line) for given in head or [] for line in _lines(given))
    with snapshot(settings().database_url) as connection:
        found = 0
        for broken in find_broken(connection, kept):
            print(broken, file=sys.stderr)
            found += 1
        if found:
            raise typer.Exit(1)
        print(f"{count(connection)} entries, unbroken")


def _lines(given: str) -> list[str]:
    path = Path(given)
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else [given]


def _line(text: str) -> "tuple[str, Head]":
    from app.errors import RequestError

    match text.split():
        case [study, seq, newest] if seq.isdecimal():
            return study, (int(seq), newest)
        case _:
            raise RequestError(
                "--head: expected a line of `toxgrade audit head`, or a file of them"
            )
