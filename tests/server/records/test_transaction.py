"""Rows that are appended: written together, there for whoever asks, numbered in order."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from toxgrade.grading.result import Course
from toxgrade.server.records.db.append import append
from toxgrade.server.records.db.engine import build_engine, read_only
from toxgrade.server.records.db.tables import treatments
from toxgrade.server.records.db.transaction import begin
from toxgrade.server.records.patients import lock_patient, lock_patient_row, save_courses
from toxgrade.server.records.studies import Study, find_study
from toxgrade.server.runtime import MACHINE

_COURSE = (Course(date(2011, 1, 24), date(2011, 3, 9)),)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine) -> Study:
    with read_only(engine).connect() as connection:
        return find_study(connection, "default")


def _row(patient_id: int) -> dict[str, Any]:
    return {"patient_id": patient_id, "courses": "[]", "recorded_at": datetime.now(UTC)}


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(treatments)) or 0


def test_rows_of_many_patients_are_written_by_one_statement(engine: Engine, study: Study) -> None:
    written = []
    event.listen(
        engine, "before_cursor_execute",
        lambda _c, _cur, statement, *_: written.append(statement) if "INTO" in statement else None,
    )  # fmt: skip
    with begin(engine, MACHINE) as transaction:
        for number in range(5):
            patient = lock_patient(transaction, study, f"P{number}").id
            save_courses(transaction, patient, _COURSE, ())
    # COPY goes past SQLAlchemy; no INSERT for each patient is what matters.
    assert sum("treatments" in statement for statement in written) <= 1
    with read_only(engine).connect() as connection:
        assert _count(connection) == 5


def test_rows_are_there_for_who_asks_in_the_same_transaction(engine: Engine, study: Study) -> None:
    with begin(engine, MACHINE) as transaction:
        patient = lock_patient(transaction, study, "P1").id
        (number,) = append(transaction, treatments, [_row(patient)])
        assert transaction.read().scalars(select(treatments.c.id)).all() == [number]
        assert set(transaction.pop_written().digests["treatments"]) == {number}


def test_an_error_leaves_nothing_of_a_transaction(engine: Engine, study: Study) -> None:
    with suppress(ValueError), begin(engine, MACHINE) as transaction:
        patient = lock_patient(transaction, study, "P1").id
        append(transaction, treatments, [_row(patient)])
        raise ValueError("no")
    with begin(engine, MACHINE) as transaction:
        lock_patient(transaction, study, "P2")
        assert set(transaction.pop_written().digests) == {"patients"}
    with read_only(engine).connect() as connection:
        assert _count(connection) == 0


def test_a_row_is_not_there_before_the_transaction_reads(engine: Engine, study: Study) -> None:
    """That is what writes the rows of a group of panels by one statement for each table."""
    with begin(engine, MACHINE) as transaction:
        patient = lock_patient(transaction, study, "P1").id
        append(transaction, treatments, [_row(patient)])
        assert _count(transaction.connection) == 0
        assert _count(transaction.read()) == 1


def test_a_number_is_never_older_than_the_lock_it_is_written_under(new_postgresql: Any) -> None:
    """The treatment with the highest number holds, so it must be the one written last."""
    one, other = (build_engine(url) for url in [new_postgresql()] * 2)
    with begin(one, MACHINE) as transaction:
        study = find_study(transaction.read(), "default")
        both = [lock_patient(transaction, study, name).id for name in ("P1", "P2")]
    with begin(one, MACHINE) as mine:
        lock_patient_row(mine, study, "P1")
        mine.panels = 50  # numbers for as many are reserved with the first
        append(mine, treatments, [_row(both[0])])
        with begin(other, MACHINE) as theirs:
            lock_patient_row(theirs, study, "P2")
            (before,) = append(theirs, treatments, [_row(both[1])])
        lock_patient_row(mine, study, "P2")
        (last,) = append(mine, treatments, [_row(both[1])])
    assert last > before
    one.dispose()
    other.dispose()
