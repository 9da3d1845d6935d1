"""The tables of the audit, of kept answers, of tokens used up, and of erased patients."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from toxgrade.records.tables import Instant, RowId, metadata

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False),
    Column("seq", Integer, nullable=False, comment="from 1 without a gap"),
    Column("patient", String(128), comment="the pseudonym; null: of the whole study"),
    Column("entry", Text, nullable=False, comment="JSON, as it went into the hash"),
    Column("hash", String(64), nullable=False, comment="over the previous hash and the entry"),
    UniqueConstraint("study_id", "seq"),
)
Index(None, audit.c.study_id, audit.c.patient)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("study_id", RowId, ForeignKey("studies.id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", String(200), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("status", Integer, comment="null only inside the transaction that stores"),
    Column("answer", LargeBinary),
    Column("study", String(64)),
    Column("patient", String(128), comment="whose values the answer holds, for erasure"),
    Column("recorded_at", Instant, nullable=False, index=True),
)

used_tokens = Table(
    "used_tokens",
    metadata,
    Column("jti_sha256", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False),
    Column("patient", String(128), nullable=False, comment="the pseudonym"),
    Column("highest", Text, comment="JSON: the highest number erased, by table; given to no other"),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("study_id", "patient"),
)
