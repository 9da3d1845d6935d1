"""Whether an event was declared to go on

Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    comment = "declared to go on; null: not told"
    op.add_column("events", sa.Column("ongoing", sa.Boolean(), comment=comment))
