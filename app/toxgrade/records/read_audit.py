"""Reading the audit of a study."""

import json
from typing import Any

from sqlalchemy import Connection, select

from toxgrade.records.audit_tables import audit
from toxgrade.records.studies import Study


def list_entries(
    connection: Connection, study: Study, patient: str | None, limit: int, after: int
) -> list[dict[str, Any]]:
    """Up to ``limit`` entries after the one numbered ``after``; of one patient if one is given."""
    query = select(audit.c.entry, audit.c.hash).where(audit.c.study_id == study.id)
    if patient is not None:
        query = query.where(audit.c.patient == patient)
    ordered = query.where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return [json.loads(row.entry) | {"hash": row.hash} for row in connection.execute(ordered)]
