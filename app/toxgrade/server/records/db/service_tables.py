"""The tables of keys, the audit, idempotency keys, sessions, erasures, pulls and stored batches."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from toxgrade.server.records.db.tables import Instant, RowId, metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("label", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, comment="null: never"),
)

key_revocations = Table(
    "key_revocations",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key_id", RowId, ForeignKey("api_keys.id"), nullable=False, unique=True),
    Column("recorded_at", Instant, nullable=False),
)

key_studies = Table(
    "key_studies",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("key_id", RowId, ForeignKey("api_keys.id"), nullable=False),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False),
    UniqueConstraint("key_id", "study_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, nullable=False, comment="0: the installation's chain"),
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
    Column("study_id", RowId, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("entries", BigInteger, nullable=False),
    Column("faults", BigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
)

KEPT_HOURS = 24
"""An answer is kept for at least this long; afterwards its key counts as new."""

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

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column(
        "key_id", RowId, ForeignKey("api_keys.id"), index=True,
        comment="null: it is of an issuer's token",
    ),
    Column(
        "subject_sha256", String(64), index=True, comment="of issuer and subject; null: of a key"
    ),
    Column("caller", Text, comment="JSON: issuer, name, roles; null: as the key's"),
    Column("started_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)  # fmt: skip

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

pull_marks = Table(
    "pull_marks",
    metadata,
    Column("study_id", RowId, ForeignKey("studies.id"), primary_key=True, autoincrement=False),
    Column("patient", String(128), primary_key=True, comment="the pseudonym"),
    Column("source", String(1024), primary_key=True, comment="the address of a FHIR server"),
    Column("until", Instant, nullable=False, comment="its clock: results were read up to then"),
    Column("asked_sha256", String(64), nullable=False, comment="of what was asked, and how"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(32), primary_key=True, comment="random; also the name of its folder"),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False, index=True),
    Column("upload_sha256", String(64), nullable=False, comment="of what was uploaded"),
    Column("labs", String(32), nullable=False, comment="the file's name in the folder"),
    Column("patients", String(32), comment="likewise; null: none was sent"),
    Column("reading", Text, comment="JSON: how they are declared to be read; null: as they come"),
    Column("read_as", Text, comment="how the labs were read, for people; null until counted"),
    Column("store", String(32), nullable=False, comment="which folder of uploads holds it"),
    Column("state", String(16), nullable=False),
    Column("detail", Text, comment="why it failed or waits; never a value"),
    Column("rows_total", BigInteger, comment="null until counted"),
    Column("software", String(32), comment="null until begun; one version finishes what it began"),
    Column("criteria_sha256", String(64)),
    Column("served_at", Double, comment="seconds since 1970, the database's clock; for fairness"),
    Column("recorded_at", Instant, nullable=False),
    Column("finished_at", Instant),
)
ACTIVE = batches.c.state.in_(("queued", "running"))
_SHARED = batches.c.state.in_(("queued", "running", "done"))
Index(
    "uq_batches_study_id_upload_sha256",  # Equal uploads share a batch, unless it came to nothing.
    batches.c.study_id,
    batches.c.upload_sha256,
    unique=True,
    sqlite_where=_SHARED,
    postgresql_where=_SHARED,
)

batch_tasks = Table(
    "batch_tasks",
    metadata,
    Column("batch_id", String(32), ForeignKey("batches.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False, comment="partition, grade or assemble"),
    Column("rows", BigInteger, nullable=False, comment="how many rows of the file it holds"),
    Column("state", String(16), nullable=False, comment="waiting, running, done or quarantined"),
    Column("fence", Integer, nullable=False, comment="counts claims: only the newest may commit"),
    Column("attempts", Integer, nullable=False),
    Column("lease_until", Double, comment="seconds since 1970, the database's clock; null: now"),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("reason", Text, comment="why it was put back or quarantined; never a value"),
    Column("phase_unknown", Text, comment="JSON: graded, but without a phase, by reason"),
)
Index(None, batch_tasks.c.state, batch_tasks.c.lease_until)

batch_pieces = Table(
    "batch_pieces",
    metadata,
    Column("batch_id", String(32), ForeignKey("batches.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the grading task"),
    Column("piece", Integer, primary_key=True, comment="from 1, in order"),
    Column("fence", Integer, nullable=False, comment="of the claim that stored it"),
    Column("rows", BigInteger, nullable=False, comment="settled: stored or refused"),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("phase_unknown", Text, comment="as of the task"),
    Column("patient_id", RowId, index=True, comment="who comes in several pieces; null: nobody"),
    Column("base", RowId, comment="the highest id of the patient's results before the first"),
)

batch_rejects = Table(
    "batch_rejects",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("batch_id", String(32), ForeignKey("batches.id"), nullable=False),
    Column("row", BigInteger, nullable=False, comment="from 1"),
    Column("line", BigInteger, comment="null: the format has no lines"),
    Column("column", Text, nullable=False, comment="the input's name"),
    Column("reason", String(32), nullable=False),
    Column("stored", Boolean, nullable=False),
)
Index(None, batch_rejects.c.batch_id, batch_rejects.c.row, batch_rejects.c.id)
