"""Reviews of liver safety findings

Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = "liver_reviews"
_OF_PATIENT = (
    "grades", "results", "events", "treatments", "follow_ups", "demographics", _TABLE,
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", _id, nullable=False),
        sa.Column("patient_id", _id, nullable=False),
        sa.Column("finding", sa.String(32), nullable=False),
        sa.Column(
            "date", sa.Text(), nullable=False, comment="of the finding, as its report writes it"
        ),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(32), comment="of a short list; null: not told"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_liver_reviews_patient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_liver_reviews")),
    )
    op.create_index(op.f("ix_liver_reviews_patient_id"), _TABLE, ["patient_id"])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    stop = "BEGIN SELECT RAISE(ABORT, 'this table is only appended to'); END"
    erased = (
        "EXISTS (SELECT 1 FROM erasures e JOIN patients p"
        " ON p.study_id = e.study_id AND p.name = e.patient WHERE p.id = OLD.patient_id)"
    )
    op.execute(f"CREATE TRIGGER {_TABLE}_no_update BEFORE UPDATE ON {_TABLE} {stop}")
    op.execute(
        f"CREATE TRIGGER {_TABLE}_no_delete BEFORE DELETE ON {_TABLE} WHEN NOT {erased} {stop}"
    )


def _guard_postgresql() -> None:
    for change, each, function in (
        ("UPDATE", "ROW", "toxgrade_only_append"),
        ("DELETE", "ROW", "toxgrade_only_erase"),
        ("TRUNCATE", "STATEMENT", "toxgrade_only_append"),
    ):
        op.execute(
            f"CREATE TRIGGER {_TABLE}_no_{change.lower()} BEFORE {change} ON {_TABLE}"
            f" FOR EACH {each} EXECUTE FUNCTION {function}()"
        )
    deletes = " ".join(f"DELETE FROM {name} WHERE patient_id = of_patient;" for name in _OF_PATIENT)
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_erase(of_patient bigint) RETURNS void LANGUAGE sql"
        f" SECURITY DEFINER SET search_path = public AS $$ {deletes}"
        " DELETE FROM patients WHERE id = of_patient; $$"
    )
