"""What a result was taken from, and whether its laboratory called it normal

Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("results", sa.Column("specimen", sa.Text(), comment="as sent; null: not told"))
    comment = "the sender's normal or abnormal flag, as sent; null: not told"
    op.add_column("results", sa.Column("indicator", sa.Text(), comment=comment))
