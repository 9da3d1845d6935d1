"""What the commands share: the settings of this process, and how one ends that cannot go on."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings


def fail(message: str) -> int:
    """Say on standard error why a command ends; its exit code."""
    print(f"toxgrade: {message}", file=sys.stderr)
    return 2


def settings(**given: object) -> "Settings":
    """The environment's settings, with what the command line gives instead."""
    from pydantic import ValidationError

    from app.settings import Settings

    try:
        return Settings.model_validate(
            Settings().model_dump() | {name: v for name, v in given.items() if v is not None}
        )
    except ValidationError as error:
        for fault in error.errors(include_input=False):
            said = fault["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
            name = "_".join(("TOXGRADE", *map(str, fault["loc"]))).upper()
            fail(f"{name}: {said}" if fault["loc"] else said)
        sys.exit(2)


def tidy_when_ended() -> None:
    """Let the first Ctrl-C or SIGTERM end the command by KeyboardInterrupt, and hold back those
    that follow: what it has put aside are patients' data, to be removed undisturbed.
    """
    import signal
    import threading

    asked, main = {signal.SIGINT, signal.SIGTERM}, threading.get_ident()

    def wait() -> None:
        signal.sigwait(asked)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # here, and nowhere else
        signal.raise_signal(signal.SIGINT)  # the one that polars heeds while it works
        signal.pthread_kill(main, signal.SIGUSR1)  # and what waits for input looks up

    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    threading.Thread(target=wait, daemon=True).start()


def check_address(host: str, port: int) -> None:
    """Check, before anything is done, that a service can listen there.

    Raises:
        RequestError: the address is taken, not this machine's or not allowed.
    """
    import socket

    from app.errors import RequestError

    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind(address)
    except OSError as error:
        why = f"cannot listen on {host} port {port}: {error.strerror}"
        raise RequestError(f"{why}; --host and --port name another address") from None
