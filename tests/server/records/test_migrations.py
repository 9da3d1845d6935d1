"""The migrations make the tables that the code describes, on both databases, more than once."""

import threading
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from tests.conftest import NewDatabase
from toxgrade.errors import RequestError, Unavailable
from toxgrade.server.records.db.engine import build_engine
from toxgrade.server.records.db.tables import metadata
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.records.schema import upgrade


def test_the_tables_are_those_of_the_code(database_url: str) -> None:
    upgrade(database_url)  # again: nothing to do
    with transaction(database_url) as opened:
        assert compare_metadata(MigrationContext.configure(opened.read()), metadata) == []


def test_the_default_study_is_there_from_the_start(database_url: str) -> None:
    with transaction(database_url) as opened:
        rows = opened.connection.execute(
            sqlalchemy.text("SELECT name, synthetic FROM studies")
        ).all()
    assert [(row.name, bool(row.synthetic)) for row in rows] == [("default", False)]


def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    with transaction(database_url) as opened:
        opened.connection.execute(
            sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(RequestError, match="newer version of Toxgrade: run that version"):
        upgrade(database_url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_processes_may_start_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'fresh.db'}"
    else:
        new: NewDatabase = request.getfixturevalue("new_postgresql")
        url = new()
        with transaction(url) as opened:
            metadata.drop_all(opened.read())
            opened.connection.execute(sqlalchemy.text("DROP TABLE alembic_version"))
    errors: list[BaseException] = []

    def start() -> None:
        try:
            upgrade(url)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_several_processes_may_open_a_new_sqlite_file_at_once(tmp_path: Path) -> None:
    """Switching a new file to write-ahead logging is refused at once, not after a wait."""
    errors: list[BaseException] = []

    def connect(url: str, ready: threading.Barrier) -> None:
        ready.wait()
        try:
            with transaction(url, new=True):
                pass
        except BaseException as error:
            errors.append(error)

    for round_ in range(50):
        ready = threading.Barrier(4)
        url = f"sqlite:///{tmp_path / f'{round_}.db'}"
        threads = [threading.Thread(target=connect, args=(url, ready)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


def test_an_sqlite_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red Hat 8 has 3.26: its first INSERT … RETURNING would be a syntax error."""
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 26, 0))
    with pytest.raises(Unavailable, match=r"SQLite 3\.35\.0 or newer is needed; this Python has"):
        build_engine("sqlite:///toxgrade.db")


def test_a_grade_is_never_superseded_twice(database_url: str) -> None:
    """The index that keeps the history of a grade a line, not a tree."""
    with transaction(database_url) as opened:
        names = {
            index["name"]: index
            for index in sqlalchemy.inspect(opened.read()).get_indexes("grades")
        }
    assert names["uq_grades_supersedes_id"]["unique"]


def test_sqlite_is_durable_and_checks_foreign_keys(new_sqlite: NewDatabase) -> None:
    with transaction(new_sqlite()) as opened:
        found = {
            name: opened.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "busy_timeout": 10_000, "foreign_keys": 1,
    }  # fmt: skip


def test_a_database_without_an_encoding_keeps_names_as_they_were_sent(
    new_postgresql: NewDatabase,
) -> None:
    """Initialised under the locale C, PostgreSQL gave bytes: nothing could be migrated."""
    address, _, socket = new_postgresql().partition("?")
    server = address.rpartition("/")[0]
    made = sqlalchemy.create_engine(f"{server}/postgres?{socket}", isolation_level="AUTOCOMMIT")
    with made.connect() as connection:
        ascii = "CREATE DATABASE no_encoding ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0"
        version = connection.dialect.server_version_info or (0,)
        libc = " LOCALE_PROVIDER libc" if version >= (15,) else ""
        connection.execute(sqlalchemy.text(ascii + libc))
    made.dispose()
    url = f"{server}/no_encoding?{socket}"
    upgrade(url)
    with transaction(url) as opened:
        text = sqlalchemy.text("SELECT CAST(:name AS text)")
        assert opened.connection.scalar(text, {"name": "Kürzel"}) == "Kürzel"
