"""Keys to the HTTP service: make, list, revoke."""

from typing import Annotated, Literal

import typer

from app.cli.environment import settings

keys = typer.Typer(help="Keys to the HTTP service.", no_args_is_help=True)


@keys.command("create")
def create(
    label: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[
        Literal["reader", "writer", "manager", "admin"],
        typer.Option(help="What it may do; admin may everything, in all studies."),
    ] = "admin",
    study: Annotated[
        list[str] | None, typer.Option(help="A study the role is for; repeat for several.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3660, help="Valid for so long.")] = None,
) -> None:
    """Make a key; it is shown once and only its hash is kept."""
    from datetime import UTC, datetime, timedelta

    from app.access.keys import create_key
    from app.records.engine import transaction, upgrade

    url = settings().database_url
    upgrade(url)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with transaction(url) as connection:
        print(create_key(connection, label, role, study or (), expires_at))


@keys.command("list")
def show() -> None:
    """List the keys: prefix, role, studies, whether valid, label; never a secret."""
    from datetime import UTC, datetime

    from app.access.keys import list_keys
    from app.records.engine import transaction

    now = datetime.now(UTC)
    with transaction(settings().database_url) as connection:
        for key, on in list_keys(connection):
            expired = key.expires_at is not None and key.expires_at <= now
            state = "revoked" if key.revoked_at else "expired" if expired else "valid"
            print(f"{key.prefix}  {key.role:<7}  {','.join(on) or '*'}  {state}  {key.label}")


@keys.command("revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="As `toxgrade keys list` shows it.")],
) -> None:
    """End a key's validity; running services follow within five seconds."""
    from app.access.keys import revoke_key
    from app.records.engine import transaction

    with transaction(settings().database_url) as connection:
        revoke_key(connection, prefix)
