"""Rows written past SQLAlchemy are those that it reads back, on both databases."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from toxgrade.server.records.db.bulk import insert_tuples
from toxgrade.server.records.db.tables import follow_ups, patients, studies
from toxgrade.server.records.db.transaction import transaction

_NOW = datetime(2026, 3, 1, 12, 30, 0, 25, tzinfo=UTC)
_COLUMNS = ("id", "patient_id", "last_contact", "vital_status", "cause", "recorded_at")


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_as_many_rows_as_given_are_written_in_order(database_url: str, count: int) -> None:
    """Several are in one statement of SQLite."""
    rows = [(n, 1, date(2012, 6, 1), None, f"{n}", _NOW) for n in range(1, count + 1)]
    assert _written(database_url, rows) == rows


@pytest.mark.parametrize(
    "told",
    [
        [(None, None, None)],
        [(None, None, None), (None, None, None)],
        [(None, None, "told once"), (date(2012, 6, 1), "dead", None)],
        [(date(2012, 6, 1), None, "0"), (None, "", None), (date(2012, 6, 1), None, None)],
    ],
)
def test_a_null_stays_one_beside_what_is_told(
    database_url: str, told: list[tuple[Any, ...]]
) -> None:
    rows = [(number, 1, *row, _NOW) for number, row in enumerate(told, 1)]
    assert _written(database_url, rows) == rows


def _written(database_url: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    with transaction(database_url) as opened:
        study = opened.connection.scalars(select(studies.c.id)).one()
        opened.connection.execute(insert(patients).values(id=1, study_id=study, name="P1"))
        insert_tuples(opened.read(), follow_ups, _COLUMNS, rows)
        insert_tuples(opened.read(), follow_ups, _COLUMNS, [])
        chosen = [follow_ups.c[name] for name in _COLUMNS]
        return [*opened.connection.execute(select(*chosen).order_by(follow_ups.c.id)).all()]
