"""The pieces of a batch's chunks, each stored in one transaction with its mark

Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "batch_pieces",
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the grading task"),
        sa.Column("piece", sa.Integer(), nullable=False, comment="from 1, in order"),
        sa.Column("fence", sa.Integer(), nullable=False, comment="of the claim that stored it"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="settled: stored or refused"),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=False),
        sa.Column("phase_unknown", sa.Text(), comment="as of the task"),
        sa.Column("patient_id", _id, comment="who comes in several pieces; null: nobody"),
        sa.Column("base", _id, comment="the highest id of the patient's results before the first"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_pieces_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "number", "piece", name=op.f("pk_batch_pieces")),
    )
    op.create_index(op.f("ix_batch_pieces_patient_id"), "batch_pieces", ["patient_id"])
