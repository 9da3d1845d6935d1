"""Two databases that are sent the same: in one summaries are kept, in the other none ever is."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, delete, select

from tests.server.records.random_panels import STUDY, Request, Requests
from toxgrade.errors import NotFound, ToxgradeError
from toxgrade.server.records.addition import plan_addition
from toxgrade.server.records.audit_summaries import wrong_summaries
from toxgrade.server.records.db.append import RECORDS
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import patient_summaries, patients
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.grade_queries import patient_toxicity
from toxgrade.server.runtime import Runtime

TABLES = (patients, *RECORDS)


@dataclass(frozen=True)
class Clock(Runtime):
    """A minute passes with every request."""

    minutes: int = 0

    def now(self) -> datetime:
        return datetime(2012, 1, 1, tzinfo=UTC) + timedelta(minutes=self.minutes)


@dataclass(slots=True)
class Twin:
    """A database in which summaries are used, or one in which none ever is."""

    engine: Engine
    keeps: bool
    added: int = 0
    last: dict[str, int] = field(default_factory=dict)

    def plan(self, *given: Any) -> Any:
        """Plan a panel beside a part, and count it if that holds; None: never."""
        change = plan_addition(*given) if self.keeps else None
        self.added += change is not None
        return change

    def answer(self, request: Request, minutes: int) -> tuple[Any, list[Any]]:
        """Return what a request is answered, and the rows that it has added or removed."""
        answer: Any
        try:
            with (
                patch("toxgrade.server.records.store.plan_addition", self.plan),
                begin(self.engine, Clock(minutes=minutes)) as opened,
            ):
                answer = request.run(opened)
        except ToxgradeError as error:
            answer = (type(error).__name__, str(error))
        with self.engine.begin() as connection:
            if not self.keeps:
                connection.execute(delete(patient_summaries))
            toxicity = []
            for name in request.patients:
                with suppress(NotFound):
                    toxicity.append(patient_toxicity(connection, STUDY, name))
            return (answer, toxicity), self._new_rows(connection)

    def _new_rows(self, connection: Any) -> list[Any]:
        rows = []
        for table in TABLES:
            query = select(table).where(table.c.id > self.last.get(table.name, 0))
            found = connection.execute(query.order_by(table.c.id)).all()
            rows += [(table.name, tuple(row)) for row in found]
            if found:
                self.last[table.name] = found[-1].id
        return rows

    def all_rows(self) -> list[Any]:
        self.last.clear()
        with self.engine.connect() as connection:
            return self._new_rows(connection)


def compare(new: Callable[[], str], seed: int, count: int) -> Counter[str]:
    """Send requests to twins; return how many there were of each kind, and panels beside a part.

    Raises:
        AssertionError: an answer or a row differs, or a kept summary is not that of its rows.
    """
    requests, counts = Requests(seed), Counter[str]()
    twins = [Twin(build_engine(new()), keeps) for keeps in (True, False)]
    try:
        for number in range(count):
            request = requests.next()
            counts[request.name] += 1
            one, other = (twin.answer(request, number) for twin in twins)
            assert one == other, f"seed {seed}, request {number}: {request.name}"
            if number % 50 == 49 or number == count - 1:
                with twins[0].engine.connect() as connection:
                    assert list(wrong_summaries(connection)) == []
                    counts["summaries"] += len(connection.execute(select(patient_summaries)).all())
        assert twins[0].all_rows() == twins[1].all_rows()
        counts["only added"] = twins[0].added
    finally:
        for twin in twins:
            twin.engine.dispose()
    return counts
