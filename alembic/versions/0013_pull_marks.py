"""Up to when results were pulled

Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pull_marks",
        sa.Column("study_id", _id, autoincrement=False, nullable=False),
        sa.Column("patient", sa.String(128), nullable=False, comment="the pseudonym"),
        sa.Column(
            "source", sa.String(1024), nullable=False, comment="the address of a FHIR server"
        ),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="its clock: results were read up to then",
        ),
        sa.Column(
            "asked_sha256", sa.String(64), nullable=False, comment="of what was asked, and how"
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_pull_marks_study_id")),
        sa.PrimaryKeyConstraint("study_id", "patient", "source", name=op.f("pk_pull_marks")),
    )
