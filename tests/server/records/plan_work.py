"""The work of PostgreSQL's plans: how many rows they touch, counted by the executor itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

Work = list[tuple[int, str]]
"""Rows touched and the statement, of every query that was run."""


@contextmanager
def counted_work() -> Iterator[Work]:
    """Run each query of this process once more before itself, and note how many rows it touched."""
    found: Work = []

    def count(connection: Connection, _: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.lstrip().startswith("SELECT") and connection.dialect.name == "postgresql":
            driver: Any = connection.connection
            with driver.cursor() as cursor:
                cursor.execute(
                    f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters
                )
                row = cursor.fetchone()
                assert row is not None
                found.append((_rows_touched(row[0][0]["Plan"]), statement))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def _rows_touched(node: dict[str, Any]) -> int:
    """Return the rows that a node of a plan and those below it returned or threw away."""
    thrown_away = sum(n for what, n in node.items() if what.startswith("Rows Removed by"))
    own = (node["Actual Rows"] + thrown_away) * node["Actual Loops"]
    return int(own) + sum(map(_rows_touched, node.get("Plans", ())))
