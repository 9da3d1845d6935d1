"""Reference ranges of a study

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "study_ranges",
        sa.Column("id", _id(), nullable=False),
        sa.Column("study_id", _id(), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False, comment="JSON: the whole table as of then"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_study_ranges_study_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_ranges")),
    )
    op.create_index(op.f("ix_study_ranges_study_id"), "study_ranges", ["study_id"])
    op.create_table(
        "demographics",
        sa.Column("id", _id(), nullable=False),
        sa.Column("patient_id", _id(), nullable=False),
        sa.Column("sex", sa.String(length=8), nullable=True),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_demographics_patient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demographics")),
    )
    op.create_index(op.f("ix_demographics_patient_id"), "demographics", ["patient_id"])
    lab = sa.Column("lab", sa.Text(), nullable=True, comment="the laboratory; null: not told")
    op.add_column("results", lab)
    text = "what of it could not be read, joined by a space"
    op.add_column("results", sa.Column("unreadable", sa.Text(), nullable=True, comment=text))
    text = "JSON: the study's own range, where it was used"
    op.add_column("grades", sa.Column("study_range", sa.Text(), nullable=True, comment=text))
