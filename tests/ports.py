"""Ports for servers of a test."""

import secrets
import socket


def free_port() -> int:
    """A port of this machine that nobody has.

    It is below those that the system gives to connections: one of them was somebody else's by the
    time its server listened, once in a few thousand starts.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
