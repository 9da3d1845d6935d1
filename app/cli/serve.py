"""Running the service: its database, the server itself."""

from typing import Annotated

import typer

from app.cli.environment import settings
from app.cli.worker import start_workers

db = typer.Typer(help="The database.", no_args_is_help=True)


def serve(
    host: Annotated[str | None, typer.Option(help="TOXGRADE_HOST, 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="TOXGRADE_PORT, 8000")] = None,
    demo: Annotated[bool, typer.Option(help="Load the SYNTHETIC cohort as study `demo`.")] = False,
) -> None:
    """Migrate the database and serve the HTTP API."""
    from app.http.server import run
    from app.main import create_app
    from app.records.engine import upgrade

    chosen = settings(host=host, port=port)
    upgrade(chosen.database_url)
    if demo:
        from app.demo.load import load_demo

        load_demo(chosen.database_url)
    start_workers(chosen.workers)
    run(create_app(chosen), chosen)


@db.command("upgrade")
def upgrade_database() -> None:
    """Bring the database to the latest migration."""
    from app.records.engine import upgrade

    upgrade(settings().database_url)


@db.command("grant")
def grant_role(
    role: Annotated[str, typer.Argument(help="An existing PostgreSQL role for the service.")],
) -> None:
    """Let a role run the service: it may add results, grades and audit, never change them."""
    from app.records.engine import transaction
    from app.records.grants import grant

    with transaction(settings().database_url) as connection:
        grant(connection, role)
