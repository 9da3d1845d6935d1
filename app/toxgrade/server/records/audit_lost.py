"""Rows that belong to no study, patient or batch: no chain would ask for them."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Table, func, select, true

from toxgrade.server.records.db.append import OF_STUDIES
from toxgrade.server.records.db.service_tables import (
    audit,
    audit_heads,
    batch_pieces,
    batch_tasks,
    batches,
)


def lost_rows(
    connection: Connection, study_ids: Sequence[int], counts: Mapping[Table, int]
) -> Iterator[str]:
    """Yield what is wrong; ``study_ids`` are those of all chains (0: the installation's), and
    ``counts`` how many rows of each table of ``OF_STUDIES`` they cover or should.
    """
    of_no_chain = {table: table.c.study_id.not_in(study_ids) for table in (audit, audit_heads)}
    of_no_batch = {
        table: table.c.batch_id.not_in(select(batches.c.id))
        for table in (batch_tasks, batch_pieces)
    }
    for table, lost in (of_no_chain | of_no_batch | dict.fromkeys(OF_STUDIES, true())).items():
        found = connection.scalar(select(func.count()).select_from(table).where(lost)) or 0
        if found != counts.get(table, 0):
            yield f"rows of {table.name} belong to nothing there is"
