"""What the audit covers of what was stored before it covered it, and the entry of a migration."""

from sqlalchemy import select

import toxgrade
from toxgrade.server.records.audit_kept import KEPT, keep, keep_end
from toxgrade.server.records.audit_log import (
    INSTALLATION,
    AuditAction,
    row_ids,
    write_entries,
)
from toxgrade.server.records.db.append import cover
from toxgrade.server.records.db.service_tables import audit_heads, batch_rejects, batches, erasures
from toxgrade.server.records.db.tables import patients, studies
from toxgrade.server.records.db.transaction import Transaction

_SINCE_CHAIN = (batch_rejects, erasures, patients)
"""The tables of studies that are covered since the installation has a chain."""
_ROWS_IN_ENTRY = 100_000
_KEPT_IN_ENTRY = 1_000
_STORED_BEFORE = "cover what was stored before"
_ACTOR = f"toxgrade {toxgrade.__version__}"


def note_migration(transaction: Transaction, before: str | None, after: str) -> None:
    """Add the entry of a migration from revision ``before`` (None: a new database) to ``after``.

    The first entry of the installation covers its rows; before it, the chains of studies get
    entries that cover what none of theirs did.
    """
    connection = transaction.read()
    is_first = connection.scalar(select(audit_heads).where(audit_heads.c.study_id == 0)) is None
    if is_first:
        known = select(studies).join(audit_heads, audit_heads.c.study_id == studies.c.id)
        for study in connection.execute(known.order_by(studies.c.id)).all():
            _cover_stored(transaction, study.name, study.id)
        _keep_stored(transaction)
    act = AuditAction(_ACTOR, "migrate the database", INSTALLATION)
    written = transaction.pop_written()
    written.notes = {"schema": after, "schema_before": before}
    write_entries(transaction, [(act, written)])


def _keep_stored(transaction: Transaction) -> None:
    act = AuditAction(_ACTOR, _STORED_BEFORE, INSTALLATION)
    for table in KEPT:
        found = transaction.read().execute(select(table).order_by(*table.primary_key)).mappings()
        for rows in found.partitions(_KEPT_IN_ENTRY):
            for row in map(dict, rows):
                keep(transaction, table, row)
                if table is batches and row["finished_at"] is not None:
                    keep_end(transaction, row["id"])
            write_entries(transaction, [(act, transaction.pop_written())])


def _cover_stored(transaction: Transaction, name: str, study_id: int) -> None:
    act = AuditAction(_ACTOR, _STORED_BEFORE, name)
    for table in _SINCE_CHAIN:
        of_study = select(table).where(table.c.id.in_(row_ids(table, study_id)))
        last = 0
        while (
            rows := transaction.read()
            .execute(of_study.where(table.c.id > last).order_by(table.c.id).limit(_ROWS_IN_ENTRY))
            .mappings()
            .all()
        ):
            cover(transaction, table, rows)
            write_entries(transaction, [(act, transaction.pop_written())])
            last = rows[-1]["id"]
