"""How uploads are declared to be read, and were read

Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    declared = "JSON: how they are declared to be read; null: as they come"
    op.add_column("batches", sa.Column("reading", sa.Text(), comment=declared))
    told = "how the labs were read, for people; null until counted"
    op.add_column("batches", sa.Column("read_as", sa.Text(), comment=told))
