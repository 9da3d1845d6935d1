"""Real databases, migrated, and a real server in front of them."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
import uvicorn

from tests import postgres
from tests.ports import free_port
from toxgrade.server.http.server import server_config
from toxgrade.server.main import create_app
from toxgrade.server.records.schema import upgrade
from toxgrade.server.settings import Settings

FULL = os.environ.get("TOXGRADE_FULL") == "1"
"""Whether the crash suite, tamperings and random requests run whole, as ``make bench`` does."""

_numbers = count(1)
NewDatabase = Callable[[], str]
Serve = Callable[[Settings], httpx.Client]


def missing(what: str) -> None:
    """Skip for want of something; fail instead where everything must be there (``make test``)."""
    if os.environ.get("TOXGRADE_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is missing and TOXGRADE_REQUIRE_ALL=1")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session", autouse=True)
def _uploads_in_a_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["TOXGRADE_BATCHES_DIR"] = str(tmp_path_factory.mktemp("batches"))


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Makes a migrated SQLite database and gives its URL."""
    folder = tmp_path_factory.mktemp("sqlite")
    template = folder / "template.db"
    upgrade(f"sqlite:///{template}")

    def new() -> str:
        path = folder / f"{next(_numbers)}.db"
        shutil.copyfile(template, path)
        return f"sqlite:///{path}"

    return new


@pytest.fixture(scope="session")
def new_postgresql() -> Iterator[NewDatabase]:
    """Makes a migrated PostgreSQL database and gives its URL."""
    programs = postgres.server_programs()
    if programs is None:
        missing("PostgreSQL's server (Debian: apt-get install postgresql)")
        return
    with postgres.cluster(programs) as cluster:

        def execute(statement: str) -> None:
            with cluster.connect() as connection:
                connection.execute(statement.encode())

        execute("CREATE DATABASE template")
        upgrade(cluster.url % "template")

        def new() -> str:
            name = f"test{next(_numbers)}"
            execute(f"CREATE DATABASE {name} TEMPLATE template")
            return cluster.url % name

        yield new


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated empty database of each kind."""
    new: NewDatabase = request.getfixturevalue(f"new_{request.param}")
    return new()


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """The service on a free port, in a thread, and a client for it."""
    chosen = settings.model_copy(update={"port": free_port()})
    server = uvicorn.Server(server_config(create_app(chosen), chosen))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://{chosen.host}:{chosen.port}", timeout=30) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.fixture
def api(database_url: str) -> Iterator[httpx.Client]:
    """The service over each kind of database, open to everyone."""
    with served(Settings(database_url=database_url, auth="off")) as client:
        yield client


@pytest.fixture(scope="session")
def stateless(new_sqlite: NewDatabase) -> Iterator[httpx.Client]:
    """One service for tests that store nothing."""
    with served(Settings(database_url=new_sqlite(), auth="off")) as client:
        yield client


@pytest.fixture(scope="session")
def shared_samples() -> Path:
    """Real files that are not the project's to keep; tests that need them are skipped without."""
    folder = Path(__file__).parents[2] / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip("the samples are not there")
    return folder
