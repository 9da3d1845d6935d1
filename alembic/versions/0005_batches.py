"""Stored batches

Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "batches",
        sa.Column(
            "id",
            sa.String(length=32),
            nullable=False,
            comment="random; also the name of its folder",
        ),
        sa.Column("study_id", row_id, nullable=False),
        sa.Column(
            "upload_sha256", sa.String(length=64), nullable=False, comment="of what was uploaded"
        ),
        sa.Column(
            "labs", sa.String(length=32), nullable=False, comment="the file's name in the folder"
        ),
        sa.Column(
            "patients",
            sa.String(length=32),
            nullable=True,
            comment="likewise; null: none was sent",
        ),
        sa.Column(
            "store",
            sa.String(length=32),
            nullable=False,
            comment="which folder of uploads holds it",
        ),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "detail", sa.Text(), nullable=True, comment="why it failed or waits; never a value"
        ),
        sa.Column("rows_total", sa.BigInteger(), nullable=True, comment="null until counted"),
        sa.Column(
            "software",
            sa.String(length=32),
            nullable=True,
            comment="null until begun; one version finishes what it began",
        ),
        sa.Column("criteria_sha256", sa.String(length=64), nullable=True),
        sa.Column(
            "served_at",
            sa.Double(),
            nullable=True,
            comment="seconds since 1970, the database's clock; for fairness",
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_batches_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batches_study_id"), ["study_id"], unique=False)
        came_to_something = sa.text("state IN ('queued', 'running', 'done')")
        batch_op.create_index(
            "uq_batches_study_id_upload_sha256",
            ["study_id", "upload_sha256"],
            unique=True,
            sqlite_where=came_to_something,
            postgresql_where=came_to_something,
        )

    op.create_table(
        "batch_tasks",
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "kind", sa.String(length=16), nullable=False, comment="partition, grade or assemble"
        ),
        sa.Column(
            "rows", sa.BigInteger(), nullable=False, comment="how many rows of the file it holds"
        ),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="waiting, running, done or quarantined",
        ),
        sa.Column(
            "fence",
            sa.Integer(),
            nullable=False,
            comment="counts claims: only the newest may commit",
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "lease_until",
            sa.Double(),
            nullable=True,
            comment="seconds since 1970, the database's clock; null: now",
        ),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why it was put back or quarantined; never a value",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_tasks_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_batch_tasks")),
    )
    with op.batch_alter_table("batch_tasks", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_tasks_state_lease_until"), ["state", "lease_until"], unique=False
        )

    op.create_table(
        "batch_rejects",
        sa.Column("id", row_id, nullable=False),
        sa.Column("batch_id", sa.String(length=32), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False, comment="from 1"),
        sa.Column("line", sa.BigInteger(), nullable=True, comment="null: the format has no lines"),
        sa.Column("column", sa.Text(), nullable=False, comment="the input's name"),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_rejects_batch_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_rejects")),
    )
    with op.batch_alter_table("batch_rejects", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_rejects_batch_id_row_id"), ["batch_id", "row", "id"], unique=False
        )


def downgrade() -> None:
    for table in ("batch_rejects", "batch_tasks", "batches"):
        op.drop_table(table)
