"""Numbers of erased rows are given to no others

Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    told = "JSON: the highest number erased, by table; given to no other"
    op.add_column("erasures", sa.Column("highest", sa.Text(), comment=told))
