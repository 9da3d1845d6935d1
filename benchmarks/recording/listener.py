"""The MLLP listener: a frame sent over TCP, its acknowledgement written down."""

import socket
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.recording.normal import Normal
from benchmarks.recording.program import Program, free_port

_BEGIN, _END = b"\x0b", b"\x1c\r"


def record_listener(
    program: Program, messages: Iterable[str], folder: Path, normal: Normal, log: Path
) -> None:
    """Start ``toxgrade mllp``, send the messages one by one, keep what it answers."""
    port = free_port()
    folder.mkdir(parents=True)
    with program.started(log, "mllp", "--port", str(port)), _connected(port) as connection:
        for number, message in enumerate(messages):
            connection.sendall(_BEGIN + message.encode() + _END)
            text = normal(_frame(connection).decode().replace("\r", "\\r\n"))
            (folder / f"{number:03}.txt").write_text(text)


def _connected(port: int) -> socket.socket:
    """Return a connection to the listener, once it is there."""
    last = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)


def _frame(connection: socket.socket) -> bytes:
    """Return what stands between the marks of a frame; less where the other side hangs up."""
    received = b""
    while not received.endswith(_END):
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received
