"""A real PostgreSQL for the tests: its own cluster in a temporary folder, on a Unix socket."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg


def server_programs() -> Path | None:
    """The folder that holds ``initdb`` and ``postgres``; None where there is no server."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = debian[0] if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


_OWN_WILL = """
timezone = 'Asia/Kolkata'
datestyle = 'German'
default_transaction_isolation = 'repeatable read'
bytea_output = 'escape'
"""
"""Settings that administrators may have chosen, and that must not matter."""
_OWN_ORDER = ["--locale-provider=icu", "--icu-locale=en-US-u-kn-true"]
"""A dictionary's order of texts, numbers in them by value."""


@dataclass(frozen=True)
class Host:
    """A network host that a server runs on: its address, and what runs a command there as root."""

    address: str
    inside: list[str]


@dataclass
class Cluster:
    """A server that can be killed and started again; initialised in ``folder``.

    Only a ``durable`` one waits for the disk at each commit, which matters where the whole machine
    falls: a killed server loses nothing either way.

    initdb refuses root, so root runs it as the unprivileged user ``postgres`` or ``nobody``.
    """

    programs: Path
    folder: Path
    user: str | None
    host: Host | None = None
    durable: bool = False
    server: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The URL without a database's name."""
        where = self.host.address if self.host else self.folder
        return f"postgresql+psycopg://toxgrade@/%s?host={where}"

    def start(self) -> None:
        """Start and wait until it answers."""
        fsync = f"fsync={'on' if self.durable else 'off'}"
        command: list[str | Path] = [self.programs / "postgres", "-D", self.folder / "data",
            "-c", fsync, "-k", str(self.folder), "-c", "listen_addresses="]  # fmt: skip
        user = self.user
        if self.host:
            command[-1] = f"listen_addresses={self.host.address}"
            command = [*self.host.inside, "setpriv", f"--reuid={user}", "--clear-groups", *command]
            user = None
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                command, user=user, cwd=self.folder, stdout=log, stderr=log
            )
        self._wait()

    def kill(self) -> None:
        """``kill -9`` the server; wait until the last of its processes has noticed."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        # What it left behind lists the shared memory; while that is in use no server starts.
        while _processes_of(self.folder):
            time.sleep(0.05)

    @contextmanager
    def hung(self) -> Iterator[None]:
        """All its processes halted: connections stay open, and nothing answers."""
        processes = _processes_of(self.folder)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def stop(self) -> None:
        """At once: a polite stop waits for connections that a failed test has left open."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait()

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.folder), user="toxgrade", dbname="postgres", autocommit=True
        )

    def _wait(self) -> None:
        assert self.server is not None
        for _ in range(200):
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if self.server.poll() is not None:
                    break
                time.sleep(0.05)
        log = (self.folder / "log").read_text()[-2000:]
        raise RuntimeError(f"PostgreSQL did not start: {log}")


@contextmanager
def cluster(
    programs: Path, host: Host | None = None, *, durable: bool = False
) -> Iterator[Cluster]:
    """A running server, as long as the context lasts; on its Unix socket, and at ``host``."""
    folder = Path(tempfile.mkdtemp(prefix="toxgrade-pg-"))
    user = _unprivileged() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    options = ["-A", "trust", "-U", "toxgrade", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
    can = subprocess.run(
        [programs / "initdb", "--help"], check=True, capture_output=True, text=True
    )
    if "--icu-locale" in can.stdout:  # from PostgreSQL 15 on
        options += _OWN_ORDER
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", *options],
        user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with (folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("host all all samenet trust\n")
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(_OWN_WILL)
    made = Cluster(programs, folder, user, host, durable)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _processes_of(folder: Path) -> list[int]:
    """The processes of the cluster in ``folder``: their working directory is there."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder / "data":
                found.append(int(link.parent.name))
        except OSError:
            continue  # it has just ended
    return found
