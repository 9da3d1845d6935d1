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


@dataclass
class Cluster:
    """A server that can be killed and started again; initialised in ``folder``.

    initdb refuses root, so root runs it as the unprivileged user ``postgres`` or ``nobody``.
    """

    programs: Path
    folder: Path
    user: str | None
    server: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The URL without a database's name."""
        return f"postgresql+psycopg://toxgrade@/%s?host={self.folder}"

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *settings],
                user=self.user, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()

    def kill(self) -> None:
        """``kill -9`` the server; wait until the last of its processes has noticed."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        # What it left behind lists the shared memory; while that is in use no server starts.
        while _any_of(self.folder):
            time.sleep(0.05)

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
def cluster(programs: Path) -> Iterator[Cluster]:
    """A running server, as long as the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix="toxgrade-pg-"))
    user = _unprivileged() if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    options = ["-A", "trust", "-U", "toxgrade", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", *options],
        user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    made = Cluster(programs, folder, user)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _any_of(folder: Path) -> bool:
    """Whether a process of the cluster in ``folder`` still runs: its working directory is there."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder / "data":
                return True
        except OSError:
            continue  # it has just ended
    return False
