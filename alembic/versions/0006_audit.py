"""Audit, kept answers, erasures; what is only appended to can no longer be changed

Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Rows of a patient may be deleted only once an erasure is recorded, and updated never.
_OF_PATIENTS = ("demographics", "events", "follow_ups", "grades", "results", "treatments")
_NEVER = ("audit", "erasures", "study_ranges", "study_rules")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _id, nullable=False),
        sa.Column("study_id", _id, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="from 1 without a gap"),
        sa.Column("patient", sa.String(128), comment="the pseudonym; null: of the whole study"),
        sa.Column("entry", sa.Text(), nullable=False, comment="JSON, as it went into the hash"),
        sa.Column(
            "hash",
            sa.String(64),
            nullable=False,
            comment="over the previous hash and the entry",
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_audit_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("study_id", "seq", name=op.f("uq_audit_study_id_seq")),
    )
    op.create_index(op.f("ix_audit_study_id_patient"), "audit", ["study_id", "patient"])
    op.create_table(
        "audit_heads",
        sa.Column("study_id", _id, nullable=False, autoincrement=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_audit_heads_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), comment="null only inside the transaction that stores"),
        sa.Column("answer", sa.LargeBinary()),
        sa.Column("study", sa.String(64)),
        sa.Column("patient", sa.String(128), comment="whose values the answer holds, for erasure"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_recorded_at"), "idempotency_keys", ["recorded_at"])
    op.create_table(
        "erasures",
        sa.Column("id", _id, nullable=False),
        sa.Column("study_id", _id, nullable=False),
        sa.Column("patient", sa.String(128), nullable=False, comment="the pseudonym"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_erasures_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("study_id", "patient", name=op.f("uq_erasures_study_id_patient")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    stop = "BEGIN SELECT RAISE(ABORT, 'this table is only appended to'); END"
    for table in (*_OF_PATIENTS, *_NEVER):
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {stop}")
        when = f"WHEN NOT {_erased('OLD')}" if table in _OF_PATIENTS else ""
        op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {when} {stop}")


def _guard_postgresql() -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_only_append() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'this table is only appended to'; END $$"
    )
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_only_erase() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_erased('OLD')} THEN RETURN OLD; END IF;"
        " RAISE EXCEPTION 'this table is only appended to'; END $$"
    )
    for table in (*_OF_PATIENTS, *_NEVER):
        never = "EXECUTE FUNCTION toxgrade_only_append()"
        of_patients = table in _OF_PATIENTS
        on_delete = "EXECUTE FUNCTION toxgrade_only_erase()" if of_patients else never
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW {never}"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW {on_delete}"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT {never}"
        )
    # The service's own role may not delete; this runs with its owner's rights, for one patient
    # whose erasure is recorded (the triggers see to that).
    deletes = " ".join(f"DELETE FROM {table} WHERE patient_id = of_patient;" for table in _ORDER)
    op.execute(
        "CREATE OR REPLACE FUNCTION toxgrade_erase(of_patient bigint) RETURNS void LANGUAGE sql"
        f" SECURITY DEFINER SET search_path = public AS $$ {deletes}"
        " DELETE FROM patients WHERE id = of_patient; $$"
    )
    op.execute("REVOKE ALL ON FUNCTION toxgrade_erase(bigint) FROM PUBLIC")


_ORDER = ("grades", "results", "events", "treatments", "follow_ups", "demographics")


def _erased(row: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM erasures e JOIN patients p"
        " ON p.study_id = e.study_id AND p.name = e.patient"
        f" WHERE p.id = {row}.patient_id)"
    )
