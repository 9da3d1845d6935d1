"""Patients, studies and keys are only appended to; the installation has a chain of the audit

Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NEVER = ("api_keys", "batch_rejects", "key_revocations", "key_studies", "studies", "verifications")
_STOP = "this table is only appended to"
_ERASED = (
    "EXISTS (SELECT 1 FROM erasures e WHERE e.study_id = OLD.study_id AND e.patient = OLD.name)"
)


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in ("audit", "audit_heads"):  # Number 0 is the installation's chain, and no study.
        with op.batch_alter_table(table) as altered:
            altered.drop_constraint(f"fk_{table}_study_id", type_="foreignkey")
            if table == "audit":
                altered.alter_column("study_id", comment="0: the installation's chain")
    op.create_table(
        "verifications",
        sa.Column("id", _id, nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
    )
    _revocations()
    _studies_of_keys(on_sqlite)
    if on_sqlite:
        for table in (*_NEVER, "patients", "audit"):  # The audit's were dropped with the old table.
            _guard_sqlite(table)
    else:
        _guard_postgresql()


def _revocations() -> None:
    op.create_table(
        "key_revocations",
        sa.Column("id", _id, nullable=False),
        sa.Column("key_id", _id, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_key_revocations_key_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_revocations")),
        sa.UniqueConstraint("key_id", name=op.f("uq_key_revocations_key_id")),
    )
    op.execute(
        "INSERT INTO key_revocations (key_id, recorded_at)"
        " SELECT id, revoked_at FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY id"
    )
    op.execute("ALTER TABLE api_keys DROP COLUMN revoked_at")


def _studies_of_keys(on_sqlite: bool) -> None:
    """Number the rows, because the audit names rows by their numbers."""
    op.execute("ALTER TABLE key_studies RENAME TO old_key_studies")
    if not on_sqlite:  # Names of indexes and constraints are unique there.
        for name in ("pk_key_studies", "fk_key_studies_key_id", "fk_key_studies_study_id"):
            op.execute(f"ALTER TABLE old_key_studies RENAME CONSTRAINT {name} TO old_{name}")
    op.create_table(
        "key_studies",
        sa.Column("id", _id, nullable=False),
        sa.Column("key_id", _id, nullable=False),
        sa.Column("study_id", _id, nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_key_studies_key_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_key_studies_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_studies")),
        sa.UniqueConstraint("key_id", "study_id", name=op.f("uq_key_studies_key_id_study_id")),
    )
    op.execute(
        "INSERT INTO key_studies (key_id, study_id)"
        " SELECT key_id, study_id FROM old_key_studies ORDER BY key_id, study_id"
    )
    op.drop_table("old_key_studies")


def _guard_sqlite(table: str) -> None:
    stop = f"BEGIN SELECT RAISE(ABORT, '{_STOP}'); END"
    when = f"WHEN NOT {_ERASED}" if table == "patients" else ""
    op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {stop}")
    op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {when} {stop}")


def _guard_postgresql() -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_only_erase_patient() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN IF {_ERASED} THEN RETURN OLD; END IF; RAISE EXCEPTION '{_STOP}'; END $$"
    )
    for table in (*_NEVER, "patients"):
        never = "toxgrade_only_append()"
        on_delete = "toxgrade_only_erase_patient()" if table == "patients" else never
        for change, each, function in (
            ("UPDATE", "ROW", never),
            ("DELETE", "ROW", on_delete),
            ("TRUNCATE", "STATEMENT", never),
        ):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION {function}"
            )
