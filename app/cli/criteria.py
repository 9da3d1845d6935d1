"""The criteria files, as a person, CI and a start-up check them."""

import typer

criteria = typer.Typer(help="The criteria files.", no_args_is_help=True)


@criteria.command("check")
def check() -> None:
    """Read the criteria files; say what they hold, or what is wrong with them."""
    from app.criteria.reader import describe, load

    print("\n".join(describe(load())))
