"""``toxgrade db``: migrate the service's database, and let a role use it."""

import os

from toxgrade.cli.options import Parser, settings


def arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("upgrade", help="to the latest migration").runs(upgrade_database)
    one = actions.add_parser("grant", help="let a role run the service").runs(grant_role)
    one.add_argument("role", help="an existing PostgreSQL role for the service")


def upgrade_database() -> None:
    """Bring the database to the latest migration."""
    from toxgrade.server.records.schema import upgrade

    os.umask(0o077)  # The file that this may make will hold patients' values.
    upgrade(settings().database_url)


def grant_role(role: str) -> None:
    """Let a role run the service: it may add results, grades and audit, never change them."""
    from toxgrade.server.records.db.transaction import transaction
    from toxgrade.server.records.schema import grant

    with transaction(settings().database_url) as opened:
        grant(opened.connection, role)
