"""What the number of a result is unique within, and which version is the later

Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    comment = "what source_id is unique within; null: the analyte"
    op.add_column("results", sa.Column("source_scope", sa.Text(), comment=comment))
    if op.get_bind().dialect.supports_comments:
        issued = "ISO 8601, then the number of the version on its server"
        op.alter_column(
            "results", "issued", existing_type=sa.Text(), comment=issued,
            existing_comment="ISO 8601",
        )  # fmt: skip
