"""Runs the migrations on the connection that ``schema.upgrade`` opened."""

from alembic import context

from toxgrade.server.records.db.service_tables import batches  # noqa: F401 - describes its tables in `metadata`
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings

given = context.config.attributes.get("connection")
if given is not None:
    context.configure(connection=given, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()
else:  # the alembic command itself: `alembic revision --autogenerate`, `alembic check`
    with transaction(Settings().database_url) as opened:
        context.configure(
            connection=opened.connection, target_metadata=metadata, render_as_batch=True
        )
        context.run_migrations()
