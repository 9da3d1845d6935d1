"""The installed program: its commands, run in a folder, and its service, started and stopped."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_PATIENCE = 60.0  # seconds until a service must answer, or a command have ended


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True)
class Program:
    """The executable, working in ``folder`` on a SQLite database there."""

    path: Path
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return this process's variables without settings of the program, and its own."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("TOXGRADE_", "PYTHON"))}
        own = {
            "TOXGRADE_DATABASE_URL": f"sqlite:///{self.folder / 'toxgrade.db'}",
            "TOXGRADE_BATCHES_DIR": str(self.folder / "batches"),
            "COLUMNS": "100", "TZ": "UTC", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        return kept | own | more

    def run(
        self, *given: str, stdin: bytes = b"", settings: Mapping[str, str] | None = None
    ) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            [self.path, *given], cwd=self.folder, env=self.environment(**settings or {}),
            input=stdin, capture_output=True, timeout=_PATIENCE * 2, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def version(self) -> str:
        """Return the version, as the program says it."""
        return self.run("--version").out.decode().split()[-1]

    @contextmanager
    def serving(self, log: Path, **settings: str) -> Iterator[str]:
        """Serve on a free port; give the address, and end the service afterwards."""
        port = free_port()
        command = ("serve", "--demo", "--port", str(port))
        with self.started(log, *command, **settings):
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: httpx.get(f"{address}/readyz").is_success)
            yield address

    @contextmanager
    def started(self, log: Path, *command: str, **settings: str) -> Iterator[None]:
        """Run a command beside us; end it afterwards."""
        with log.open("ab") as stream:
            running = subprocess.Popen(
                [self.path, *command], cwd=self.folder, env=self.environment(**settings),
                stdout=stream, stderr=stream,
            )  # fmt: skip
            try:
                yield
            finally:
                running.terminate()
                running.wait(_PATIENCE)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; nobody may be listening yet."""
    last = time.monotonic() + _PATIENCE
    while time.monotonic() < last:
        with suppress(httpx.TransportError):
            if holds():
                return
        time.sleep(0.05)
    raise TimeoutError("what was waited for did not come about")
