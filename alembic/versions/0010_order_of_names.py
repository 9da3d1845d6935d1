"""Names in one order on every database

Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite orders texts by their bytes, as the collation "C" does
    for table, length in (("studies", 64), ("patients", 128)):
        op.alter_column(table, "name", type_=sa.String(length, collation="C"))
