"""The schema: migrations, and the privileges of a PostgreSQL role."""

import re
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection

from toxgrade.errors import RequestError
from toxgrade.server.records.audit_cover import note_migration
from toxgrade.server.records.audit_kept import PROGRESS
from toxgrade.server.records.db.append import COVERED
from toxgrade.server.records.db.service_tables import audit
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.runtime import MACHINE, Runtime

_SERVER = Path(__file__).parents[1]
_ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_COLUMNS_THAT_CHANGE = {
    "batches": sorted(PROGRESS),
    "batch_tasks": [
        "state", "fence", "attempts", "lease_until", "rows_rejected", "reason", "phase_unknown",
    ],
    "batch_pieces": [],
    "idempotency_keys": ["status", "answer"],
    "pull_marks": [],
    "sessions": [],
    "used_tokens": [],
}  # fmt: skip
_LOCK = 0x746F7867  # "toxg"; one process at a time migrates a PostgreSQL database


def upgrade(url: str, runtime: Runtime = MACHINE) -> None:
    """Migrate the database to the latest revision; safe when several processes start at once.

    Raises:
        RequestError: it is at a revision of a newer version.
    """
    with transaction(url, runtime, new=True) as opened:
        connection = opened.connection
        if connection.dialect.name == "postgresql":
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:k)"), {"k": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(_migrations()))
        config.attributes["connection"] = connection
        revision = MigrationContext.configure(connection).get_current_revision
        before = revision()
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            if not isinstance(error.__cause__, ResolutionError):
                raise
            text = "the database was migrated by a newer version of Toxgrade: run that version"
            raise RequestError(f"{text}, or restore the backup from before") from None
        after = revision()
        assert after is not None, "there are migrations"
        if after != before:
            note_migration(opened, before, after)


def _migrations() -> Path:
    """Return the folder of migrations: beside the package in a checkout, inside it in a wheel."""
    installed = _SERVER / "migrations"
    return installed if installed.is_dir() else _SERVER.parents[2] / "alembic"


def grant(connection: Connection, role: str) -> None:
    """Grant an existing role what the service needs, without a right to change append-only rows.

    The owner of the tables runs this after every upgrade too, because new tables need it.

    Raises:
        RequestError: the database is not PostgreSQL, or ``role`` is not the name of a role.
    """
    if connection.dialect.name != "postgresql":
        raise RequestError("only PostgreSQL has roles; SQLite keeps its triggers")
    if not _ROLE_NAME.fullmatch(role):
        raise RequestError(f"expected the name of a role: {_ROLE_NAME.pattern}")
    append_only = ", ".join(table.name for table in (*COVERED, audit))
    for statement in (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {append_only} FROM {role}",
        f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
        f"REVOKE DELETE ON audit_heads, batches, batch_tasks, batch_pieces FROM {role}",
        f"REVOKE UPDATE ON {', '.join(_COLUMNS_THAT_CHANGE)} FROM {role}",
        *(
            f"GRANT UPDATE ({', '.join(columns)}) ON {table} TO {role}"
            for table, columns in _COLUMNS_THAT_CHANGE.items()
            if columns
        ),
        # Locking a row needs a right to update it; triggers refuse what would use that.
        f"GRANT UPDATE (id) ON patients, studies TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"GRANT EXECUTE ON FUNCTION toxgrade_erase(bigint) TO {role}",
    ):
        connection.exec_driver_sql(statement)
