"""Statements that the driver runs itself: what they answer and raise is what SQLAlchemy's do."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import Connection, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from toxgrade.server.records.db.direct import IsOneOf, Prepared
from toxgrade.server.records.db.engine import build_engine, read_only
from toxgrade.server.records.db.failures import is_unavailable
from toxgrade.server.records.db.tables import patients, studies
from toxgrade.server.records.db.transaction import transaction

_NAMES = ("P1", "P2", "it's", "ü", "a,b", '"q"')
_OF_NAMES = Prepared(
    select(patients.c.name).where(IsOneOf(patients.c.name, "names")).order_by(patients.c.name)
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with transaction(database_url) as opened:
        study = opened.connection.scalars(select(studies.c.id)).one()
        rows = [{"study_id": study, "name": name} for name in _NAMES]
        opened.connection.execute(insert(patients), rows)
        yield opened.connection


def test_rows_are_read_as_by_sqlalchemy(connection: Connection) -> None:
    """A study has a truth value and a time, which SQLite keeps as a number and a text."""
    query = select(studies).where(studies.c.name == bindparam("of_name"))
    chosen = {"of_name": "default"}
    assert Prepared(query).rows(connection, chosen) == connection.execute(query, chosen).all()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        (["P2"], ["P2"]),
        (["P2", "P1", "P2", "nobody"], ["P1", "P2"]),
        (["ü", "it's", "a,b", '"q"'], ['"q"', "a,b", "it's", "ü"]),
        ([f"P{number}" for number in range(1000)], ["P1", "P2"]),
    ],
)
def test_one_of_many_names(
    connection: Connection, asked: Sequence[str], found: Sequence[str]
) -> None:
    assert [name for (name,) in _OF_NAMES.rows(connection, {"names": asked})] == found


def test_a_name_does_not_end_at_a_nul(new_sqlite: Callable[[], str]) -> None:
    """PostgreSQL takes no such text at all; SQLite reads one in JSON up to there."""
    with transaction(new_sqlite()) as opened:
        study = opened.connection.scalars(select(studies.c.id)).one()
        opened.connection.execute(insert(patients).values(study_id=study, name="P1"))
        assert _OF_NAMES.rows(opened.connection, {"names": ["P1\0other"]}) == []


def test_an_error_is_that_of_sqlalchemy_and_holds_no_value(connection: Connection) -> None:
    again = "SELECT name, synthetic, recorded_at FROM studies WHERE name = :secret"
    twin = Prepared(text(f"INSERT INTO studies (name, synthetic, recorded_at) {again}"))
    with pytest.raises(IntegrityError) as error:
        twin.rows(connection, {"secret": "default"})
    assert "INSERT INTO studies" in str(error.value)
    assert "parameters: " not in str(error.value)
    connection.rollback()


def test_a_faulty_statement_is_not_taken_for_a_database_that_is_away(
    connection: Connection,
) -> None:
    with pytest.raises((OperationalError, ProgrammingError)) as error:
        Prepared(text("SELECT no_such_thing(1)")).rows(connection)
    assert not is_unavailable(error.value)
    connection.rollback()


def test_a_read_is_in_a_transaction_of_its_own(database_url: str) -> None:
    engine = build_engine(database_url)
    with read_only(engine).connect() as connection:
        assert Prepared(select(studies.c.name)).rows(connection) == [("default",)]
        assert connection.in_transaction()
    engine.dispose()


def test_a_session_that_only_reads_is_left(new_postgresql: Callable[[], str]) -> None:
    """Whether a session is read-only it keeps from its beginning: after a failover it is left."""
    engine = build_engine(new_postgresql())
    lock = Prepared(select(studies.c.id).with_for_update())
    with engine.connect() as connection:
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        with pytest.raises(DBAPIError) as error:
            lock.rows(connection)
        assert is_unavailable(error.value)
        assert connection.invalidated
    with engine.begin() as connection:
        assert lock.rows(connection)
    engine.dispose()
