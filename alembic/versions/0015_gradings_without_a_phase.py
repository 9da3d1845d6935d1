"""How many gradings of a batch have no phase, and why

Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    counts = "JSON: graded, but without a phase, by reason"
    op.add_column("batch_tasks", sa.Column("phase_unknown", sa.Text(), comment=counts))
