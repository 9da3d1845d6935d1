"""The rights of the service's own PostgreSQL role: it may add results and never change them."""

import re

from sqlalchemy import Connection

from toxgrade.errors import RequestError
from toxgrade.records.append import COVERED
from toxgrade.records.audit_tables import audit, erasures

_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def grant(connection: Connection, role: str) -> None:
    """Give an existing role what the service needs, and no right to update or delete what it keeps.

    Run by the owner of the tables, again after every upgrade: new tables need it too.

    Raises:
        RequestError: not PostgreSQL, or not the name of a role.
    """
    if connection.dialect.name != "postgresql":
        raise RequestError("only PostgreSQL has roles; SQLite keeps its triggers")
    if not _ROLE.fullmatch(role):
        raise RequestError(f"expected the name of a role: {_ROLE.pattern}")
    kept = ", ".join(table.name for table in (*COVERED, audit, erasures))
    for statement in (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {kept} FROM {role}",
        f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",
        f"REVOKE DELETE ON patients, studies, api_keys, audit_heads FROM {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"GRANT EXECUTE ON FUNCTION toxgrade_erase(bigint) TO {role}",
    ):
        connection.exec_driver_sql(statement)
