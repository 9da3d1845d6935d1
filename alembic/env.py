"""Runs the migrations on the connection that ``toxgrade.records.engine.upgrade`` opened."""

from alembic import context

from toxgrade.records.batch_tables import batches  # noqa: F401 - describes its tables in `metadata`
from toxgrade.records.engine import transaction
from toxgrade.records.tables import metadata
from toxgrade.settings import Settings

given = context.config.attributes.get("connection")
if given is not None:
    context.configure(connection=given, target_metadata=metadata, render_as_batch=True)
    context.run_migrations()
else:  # the alembic command itself: `alembic revision --autogenerate`, `alembic check`
    with transaction(Settings().database_url) as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        context.run_migrations()
