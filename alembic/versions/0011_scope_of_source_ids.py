"""What the number of a result is unique within

Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    comment = "what source_id is unique within; null: the analyte"
    op.add_column("results", sa.Column("source_scope", sa.Text(), comment=comment))
