"""First tables

Revises: none
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("name", name=op.f("uq_studies_name")),
    )
    op.create_table(
        "patients",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False, comment="the study's pseudonym"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_patients_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patients")),
        sa.UniqueConstraint("study_id", "name", name=op.f("uq_patients_study_id_name")),
    )
    op.create_table(
        "study_rules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("study_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "rules", sa.Text(), nullable=False, comment="JSON: edition, window, liver_enzymes, …"
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_rules_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_rules")),
    )
    with op.batch_alter_table("study_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_study_rules_study_id"), ["study_id"], unique=False)

    op.create_table(
        "results",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "patient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "identity",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of what makes it the same",
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("analyte", sa.Text(), nullable=False, comment="as sent"),
        sa.Column("value", sa.Text(), nullable=True, comment="as reported, with its comparator"),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("lln", sa.Text(), nullable=True),
        sa.Column("uln", sa.Text(), nullable=True),
        sa.Column("limit_unit", sa.Text(), nullable=True),
        sa.Column(
            "collected",
            sa.Text(),
            nullable=True,
            comment="as written; null for an undated baseline",
        ),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("is_baseline", sa.Boolean(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("issued", sa.Text(), nullable=True, comment="ISO 8601"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_results_patient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
        sa.UniqueConstraint(
            "patient_id", "identity", "version", name=op.f("uq_results_patient_id_identity_version")
        ),
    )
    op.create_table(
        "treatments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "patient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("courses", sa.Text(), nullable=False, comment="JSON: all courses as of then"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_treatments_patient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_treatments")),
    )
    with op.batch_alter_table("treatments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_treatments_patient_id"), ["patient_id"], unique=False)

    op.create_table(
        "grades",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "patient_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "result_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "supersedes_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column(
            "collected_on",
            sa.Date(),
            nullable=True,
            comment="first possible day, for order; null: undated",
        ),
        sa.Column("analyte", sa.Text(), nullable=False),
        sa.Column("term", sa.Text(), nullable=True),
        sa.Column("meddra", sa.String(length=8), nullable=True),
        sa.Column("soc", sa.Text(), nullable=True),
        sa.Column("grade", sa.Integer(), nullable=True),
        sa.Column("at_least", sa.Integer(), nullable=True),
        sa.Column("at_most", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("criterion", sa.Text(), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False, comment="joined by a space"),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("on_treatment", sa.Boolean(), nullable=True),
        sa.Column("days_from_end", sa.Integer(), nullable=True),
        sa.Column("course", sa.Integer(), nullable=True),
        sa.Column("baseline_grade", sa.Integer(), nullable=True),
        sa.Column("worse_than_baseline", sa.Boolean(), nullable=True),
        sa.Column("edition", sa.String(length=16), nullable=False),
        sa.Column("criteria_sha256", sa.String(length=64), nullable=False),
        sa.Column("software", sa.String(length=32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_grades_patient_id")),
        sa.ForeignKeyConstraint(["result_id"], ["results.id"], name=op.f("fk_grades_result_id")),
        sa.ForeignKeyConstraint(
            ["supersedes_id"], ["grades.id"], name=op.f("fk_grades_supersedes_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grades")),
    )
    with op.batch_alter_table("grades", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_grades_patient_id_collected_on_id"),
            ["patient_id", "collected_on", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_grades_result_id"), ["result_id"], unique=False)
        batch_op.create_index(
            "uq_grades_supersedes_id",
            ["supersedes_id"],
            unique=True,
            sqlite_where=sa.text("supersedes_id IS NOT NULL"),
            postgresql_where=sa.text("supersedes_id IS NOT NULL"),
        )

    # The study that exists from the start; its rules are the defaults until someone sets them.
    now = sa.func.current_timestamp()
    studies = sa.table(
        "studies", sa.column("name"), sa.column("synthetic"), sa.column("recorded_at")
    )
    op.execute(sa.insert(studies).values(name="default", synthetic=sa.false(), recorded_at=now))


def downgrade() -> None:
    with op.batch_alter_table("grades", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_grades_supersedes_id",
            sqlite_where=sa.text("supersedes_id IS NOT NULL"),
            postgresql_where=sa.text("supersedes_id IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_grades_result_id"))
        batch_op.drop_index(batch_op.f("ix_grades_patient_id_collected_on_id"))

    op.drop_table("grades")
    with op.batch_alter_table("treatments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_treatments_patient_id"))

    op.drop_table("treatments")
    op.drop_table("results")
    with op.batch_alter_table("study_rules", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_study_rules_study_id"))

    op.drop_table("study_rules")
    op.drop_table("patients")
    op.drop_table("studies")
    op.drop_table("api_keys")
