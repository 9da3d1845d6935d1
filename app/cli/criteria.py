"""The criteria files, as a person, CI and a start-up check them."""

import typer

criteria = typer.Typer(help="The criteria files.", no_args_is_help=True)


@criteria.command("check")
def check() -> None:
    """Read the criteria files; say what they hold, or what is wrong with them."""
    from app.criteria.reader import describe, load

    print("\n".join(describe(load())))


@criteria.command("page")
def page() -> None:
    """Print docs/criteria.md: the editions, and how their text is read where it leaves a choice."""
    from app.criteria.page import page
    from app.criteria.reader import load

    print(page(load()), end="")
