"""Summaries of patients, computed from their rows; results are found by their numbers

Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = "patient_summaries"
_CHANGES_IT = ("grades", "treatments")


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("patient_id", _id, nullable=False, autoincrement=False),
        sa.Column(
            "basis", sa.String(64), nullable=False,
            comment="SHA-256 of what the grades were made by",
        ),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f(f"fk_{_TABLE}_patient_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("patient_id", name=op.f(f"pk_{_TABLE}")),
    )  # fmt: skip
    op.create_index(
        op.f("ix_results_patient_id_source_id"),
        "results",
        ["patient_id", "source_id"],
        sqlite_where=sa.text("source_id IS NOT NULL"),
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table in _CHANGES_IT:
            op.execute(
                f"CREATE TRIGGER {table}_drop_summary AFTER INSERT ON {table} BEGIN"
                f" DELETE FROM {_TABLE} WHERE patient_id = NEW.patient_id; END"
            )
        return
    # Processes of an older version, whose role has no right to the table, drop summaries too. One
    # by one: whatever is known of the table, the plan is then a search in the index.
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_drop_summary() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = public AS $$ DECLARE changed bigint; BEGIN"
        " FOR changed IN SELECT DISTINCT patient_id FROM added LOOP"
        f" DELETE FROM {_TABLE} WHERE patient_id = changed; END LOOP; RETURN NULL; END $$"
    )
    for table in _CHANGES_IT:
        op.execute(
            f"CREATE TRIGGER {table}_drop_summary AFTER INSERT ON {table}"
            " REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
            " EXECUTE FUNCTION toxgrade_drop_summary()"
        )
