"""Looking back: every query of a transaction sees the rows that were there at a moment.

Temporary views of the tables' own names stand before the tables, so that no query knows of it. An
erased patient is gone from the past as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from toxgrade.records.append import COVERED


@contextmanager
def looking_back(connection: Connection, moment: datetime) -> Iterator[None]:
    """Within this, ``connection`` sees what was stored up to ``moment``; then it is rolled back."""
    on_sqlite = connection.dialect.name == "sqlite"
    schema = "main" if on_sqlite else connection.exec_driver_sql("SELECT current_schema()").scalar()
    until = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + ("" if on_sqlite else "+00")
    driver: Any = connection.connection.dbapi_connection
    if not on_sqlite:
        # A statement prepared before would go on reading the tables themselves.
        threshold, driver.prepare_threshold = driver.prepare_threshold, None
    try:
        of_patients = [table.name for table in COVERED if "patient_id" in table.c]
        there = " OR ".join(
            f"EXISTS (SELECT 1 FROM {schema}.{name} r"
            f" WHERE r.patient_id = p.id AND r.recorded_at <= '{until}')"
            for name in of_patients
        )
        connection.exec_driver_sql(
            f"CREATE TEMP VIEW patients AS SELECT * FROM {schema}.patients p WHERE {there}"
        )
        for table in COVERED:
            connection.exec_driver_sql(
                f"CREATE TEMP VIEW {table.name} AS SELECT * FROM {schema}.{table.name}"
                f" WHERE recorded_at <= '{until}'"
            )
        yield
    finally:
        connection.rollback()
        if not on_sqlite:
            driver.prepare_threshold = threshold
