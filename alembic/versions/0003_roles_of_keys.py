"""Roles of keys: per study, and until when

Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column(
        "api_keys",
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True, comment="null: never"),
    )
    op.create_table(
        "key_studies",
        sa.Column("key_id", _id, nullable=False),
        sa.Column("study_id", _id, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_key_studies_key_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_key_studies_study_id")),
        sa.PrimaryKeyConstraint("key_id", "study_id", name=op.f("pk_key_studies")),
    )
