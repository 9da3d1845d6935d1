"""How many gradings of a batch have no phase, and why

Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    counts = "JSON: graded, but without a phase, by reason"
    op.add_column("batch_tasks", sa.Column("phase_unknown", sa.Text(), comment=counts))
