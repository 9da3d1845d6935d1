"""``toxgrade keys``: make, list and revoke keys to the HTTP service."""

from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, settings, whole_number

if TYPE_CHECKING:
    from toxgrade.server.access import Role


def arguments(parser: Parser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    one = actions.add_parser("create", help="make a key").runs(create)
    one.add_argument("label", help="whose key it is")
    one.add_argument(
        "--role", choices=("reader", "writer", "manager", "admin"), default="admin",
        help="what it may do; admin may everything, in all studies, and is the default",
    )  # fmt: skip
    one.add_argument(
        "--study", action="append", default=[], help="a study the role is for; repeatable"
    )
    one.add_argument("--days", type=whole_number(1, 3660), help="valid for so long")
    actions.add_parser("list", help="prefix, role, studies, whether valid, label").runs(show)
    one = actions.add_parser("revoke", help="end a key's validity").runs(revoke)
    one.add_argument("prefix", help="as `toxgrade keys list` shows it")


def create(label: str, role: "Role", study: list[str], days: int | None) -> None:
    """Make a key; it is shown once and only its hash is kept."""
    from datetime import UTC, datetime, timedelta
    from getpass import getuser

    from toxgrade.server.access.credentials import create_key
    from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction
    from toxgrade.server.records.schema import upgrade

    url = settings().database_url
    upgrade(url)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with audited_transaction(
        url, f"cli:{getuser()}", "toxgrade keys create", INSTALLATION
    ) as transaction:
        print(create_key(transaction, label, role, study, expires_at))


def show() -> None:
    """List the keys: prefix, role, studies, whether valid, label; never a secret."""
    from datetime import UTC, datetime

    from toxgrade.server.access.credentials import list_keys
    from toxgrade.server.records.db.engine import snapshot

    now = datetime.now(UTC)
    with snapshot(settings().database_url) as connection:
        for key, on in list_keys(connection):
            expired = key.expires_at is not None and key.expires_at <= now
            state = "revoked" if key.revoked_at else "expired" if expired else "valid"
            print(f"{key.prefix}  {key.role:<7}  {','.join(on) or '*'}  {state}  {key.label}")


def revoke(prefix: str) -> None:
    """End a key's validity and its sessions; running services follow within five seconds."""
    from getpass import getuser

    from toxgrade.server.access.credentials import revoke_key
    from toxgrade.server.records.audit_log import INSTALLATION, audited_transaction

    with audited_transaction(
        settings().database_url, f"cli:{getuser()}", "toxgrade keys revoke", INSTALLATION
    ) as transaction:
        ended = revoke_key(transaction, prefix)
    with_it = f", and its {ended:,} sessions of pages" if ended else ""
    print(f"revoked{with_it}; running services follow within 5 seconds")
