"""The command ``toxgrade``. Each command imports what it needs, so that ``--help`` is at once."""

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

_app = typer.Typer(
    help="Grades laboratory toxicity per CTCAE v4.0 (release 4.03), 5.0 or 6.0, acute or late. "
    "A clinician decides; this computes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_app.command()(service.serve)
_app.command()(worker.worker)
_app.command()(mllp.mllp)
_app.command()(pull.pull)
_app.command()(files.grade)
_app.command()(compare.compare)
_app.command()(report.report)
_app.command()(plot.plot)
_app.command()(validate.validate)
_app.add_typer(service.db, name="db")
_app.add_typer(keys.keys, name="keys")
_app.add_typer(audit.audit, name="audit")
_app.add_typer(criteria.criteria, name="criteria")
_app.command()(editions.regrade)
criteria.criteria.command("compare")(editions.compare)
_app.add_typer(ranges.ranges, name="ranges")


def main() -> None:
    """Run the command; what Toxgrade refuses on purpose ends with one line and exit code 2."""
    from app.errors import ToxgradeError

    try:
        _app()
    except ToxgradeError as error:
        sys.exit(fail(str(error)))
    except Exception as error:
        from sqlalchemy.exc import SQLAlchemyError

        if not isinstance(error, SQLAlchemyError):
            raise
        # Its own text could hold what was stored.
        text = "the database of TOXGRADE_DATABASE_URL does not answer or is not migrated"
        sys.exit(fail(f"{text} (toxgrade db upgrade)"))
