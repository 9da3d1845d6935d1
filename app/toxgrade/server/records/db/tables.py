"""The tables of studies, patients, results and grades. All are append-only.

The rows themselves say what is current: the highest version of a result's or event's identity, the
grade that no other grade supersedes, and the latest treatment, demographics, follow-up, review,
rules and reference ranges. Only an erasure deletes rows.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from toxgrade.grading.fields import FIELDS

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows for INTEGER keys only.


class Instant(TypeDecorator[datetime]):
    """A time in UTC: SQLite stores no offset, and PostgreSQL answers in the session's."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _name(length: int) -> String:
    """Return the type of a name that sorts by character codes, as SQLite sorts by default.

    Patients are locked in this order; PostgreSQL's default order is its administrator's choice.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _recorded() -> Column[datetime]:
    return Column("recorded_at", Instant, nullable=False)


studies = Table(
    "studies",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", _name(64), nullable=False, unique=True),
    Column("synthetic", Boolean, nullable=False),
    _recorded(),
)

study_rules = Table(
    "study_rules",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False, index=True),
    Column("rules", Text, nullable=False, comment="JSON: edition, window, liver_enzymes, …"),
    _recorded(),
)

study_ranges = Table(
    "study_ranges",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False, index=True),
    Column("ranges", Text, nullable=False, comment="JSON: the whole table as of then"),
    _recorded(),
)

patients = Table(
    "patients",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("study_id", RowId, ForeignKey("studies.id"), nullable=False),
    Column("name", _name(128), nullable=False, comment="the study's pseudonym"),
    UniqueConstraint("study_id", "name"),
)

treatments = Table(
    "treatments",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False, index=True),
    Column("courses", Text, nullable=False, comment="JSON: all courses as of then"),
    _recorded(),
)

results = Table(
    "results",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False),
    Column("identity", String(64), nullable=False, comment="SHA-256 of what makes it the same"),
    Column("version", Integer, nullable=False),
    Column("analyte", Text, nullable=False, comment="as sent"),
    Column("value", Text, comment="as reported, with its comparator"),
    Column("unit", Text),
    Column("lln", Text),
    Column("uln", Text),
    Column("limit_unit", Text),
    Column("collected", Text, comment="as written; null for an undated baseline"),
    Column("status", String(16), nullable=False),
    Column("is_baseline", Boolean, nullable=False),
    Column("source_id", Text),
    Column("source_scope", Text, comment="what source_id is unique within; null: the analyte"),
    Column("issued", Text, comment="ISO 8601, then the number of the version on its server"),
    Column("lab", Text, comment="the laboratory; null: not told"),
    Column("unreadable", Text, comment="what of it could not be read, joined by a space"),
    Column("specimen", Text, comment="as sent; null: not told"),
    Column(
        "indicator", Text, comment="the sender's normal or abnormal flag, as sent; null: not told"
    ),
    _recorded(),
    UniqueConstraint("patient_id", "identity", "version"),
)
Index(
    None,
    results.c.patient_id,
    results.c.source_id,
    sqlite_where=results.c.source_id.is_not(None),
    postgresql_where=results.c.source_id.is_not(None),
)

_TYPES: dict[type, type[Any]] = {bool: Boolean, date: Date, int: Integer, str: Text, tuple: Text}


def _of_grades() -> Iterator[Column[Any]]:
    """Yield the columns of a grade but for its keys."""
    for name, kind, _, about in FIELDS:
        if about.table == "grades":
            of_kind = String(about.length) if about.length else _TYPES[kind]
            yield Column(name, of_kind, nullable=bool(about.null), comment=about.comment)


grades = Table(
    "grades",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False),
    Column("result_id", RowId, ForeignKey("results.id"), nullable=False, index=True),
    Column("supersedes_id", RowId, ForeignKey("grades.id")),
    *_of_grades(),
    _recorded(),
)
Index(None, grades.c.patient_id, grades.c.collected_on, grades.c.id)
Index(
    "uq_grades_supersedes_id",  # No grade is superseded twice, so no history forks.
    grades.c.supersedes_id,
    unique=True,
    sqlite_where=grades.c.supersedes_id.is_not(None),
    postgresql_where=grades.c.supersedes_id.is_not(None),
)

events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False),
    Column("identity", String(64), nullable=False, comment="SHA-256 of what makes it the same"),
    Column("version", Integer, nullable=False),
    Column("term", Text, nullable=False),
    Column("grade", Integer, nullable=False, comment="a clinician's; 0: absent or resolved"),
    Column("onset", Text, nullable=False, comment="as written"),
    Column("resolved", Date),
    Column("ongoing", Boolean, comment="declared to go on; null: not told"),
    Column("attribution", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("source_id", Text),
    _recorded(),
    UniqueConstraint("patient_id", "identity", "version"),
)

demographics = Table(
    "demographics",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False, index=True),
    Column("sex", String(8)),
    Column("birth_year", Integer),
    _recorded(),
)

follow_ups = Table(
    "follow_ups",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False, index=True),
    Column("last_contact", Date, comment="alive: last seen; dead: day of death"),
    Column("vital_status", String(8)),
    Column("cause", Text),
    _recorded(),
)

liver_reviews = Table(
    "liver_reviews",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("patient_id", RowId, ForeignKey("patients.id"), nullable=False, index=True),
    Column("finding", String(32), nullable=False),
    Column("date", Text, nullable=False, comment="of the finding, as its report writes it"),
    Column("verdict", String(16), nullable=False),
    Column("cause", String(32), comment="of a short list; null: not told"),
    _recorded(),
)

patient_summaries = Table(
    "patient_summaries",
    metadata,
    Column(
        "patient_id", RowId, ForeignKey("patients.id", ondelete="CASCADE"),
        primary_key=True, autoincrement=False,
    ),
    Column("basis", String(64), nullable=False, comment="SHA-256 of what the grades were made by"),
    Column("document", Text, nullable=False, comment="JSON"),
    _recorded(),
)  # fmt: skip
"""Computed from the other rows, of patients with many; triggers drop it with what changes it."""
for _table in (grades, treatments):  # Rows of these that are written after it would drop it.
    patient_summaries.add_is_dependent_on(_table)
