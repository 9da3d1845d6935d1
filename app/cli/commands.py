"""The commands of ``toxgrade``, and what those that are refused on purpose end with."""

import sys

import typer

from app.cli import (
    audit,
    compare,
    criteria,
    editions,
    files,
    keys,
    mllp,
    plot,
    pull,
    ranges,
    report,
    service,
    validate,
    worker,
)
from app.cli.environment import fail

commands = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
commands.command()(service.serve)
commands.command()(worker.worker)
commands.command()(mllp.mllp)
commands.command()(pull.pull)
commands.command()(files.grade)
commands.command()(compare.compare)
commands.command()(report.report)
commands.command()(plot.plot)
commands.command()(validate.validate)
commands.add_typer(service.db, name="db")
commands.add_typer(keys.keys, name="keys")
commands.add_typer(audit.audit, name="audit")
commands.add_typer(criteria.criteria, name="criteria")
commands.command()(editions.regrade)
criteria.criteria.command("compare")(editions.compare)
commands.add_typer(ranges.ranges, name="ranges")


def run() -> None:
    """Run the command; what Toxgrade refuses on purpose ends with one line and exit code 2."""
    from app.errors import ToxgradeError

    try:
        commands()
    except ToxgradeError as error:
        sys.exit(fail(str(error)))
    except Exception as error:
        from sqlalchemy.exc import OperationalError, SQLAlchemyError

        if not isinstance(error, SQLAlchemyError):
            raise
        database = "the database of TOXGRADE_DATABASE_URL"
        if isinstance(error, OperationalError) and error.statement is None:
            sys.exit(fail(f"{database} cannot be used: {str(error.orig).strip()}"))
        # Of a statement or of what it breaks, the text could hold what was stored.
        text = f"{database} does not answer or is not migrated (toxgrade db upgrade)"
        sys.exit(fail(text))
