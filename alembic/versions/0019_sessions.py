"""Sessions of the pages

Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = "sessions"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("key_id", _id, comment="null: it is of an issuer's token"),
        sa.Column("subject_sha256", sa.String(64), comment="of issuer and subject; null: of a key"),
        sa.Column("caller", sa.Text(), comment="JSON: issuer, name, roles; null: as the key's"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_sessions_key_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_sessions")),
    )
    for column in ("key_id", "subject_sha256", "expires_at"):
        op.create_index(op.f(f"ix_sessions_{column}"), _TABLE, [column])
