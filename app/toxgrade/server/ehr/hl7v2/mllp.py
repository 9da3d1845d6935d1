"""HL7 v2 over MLLP: a listener for messages in frames over TCP, as interface engines send them.

A frame is ``<VT> message <FS><CR>`` (HL7 Minimal Lower Layer Protocol, release 1). The answer is a
frame, too, sent once the message is durable; a sender without an answer sends the message again.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from toxgrade.server.ehr.hl7v2.connections import Connection, Connections, State
from toxgrade.server.ehr.hl7v2.receive import Receiver, refused_unread
from toxgrade.server.runtime import Runtime

START, END = b"\x0b", b"\x1c\r"

_REST_SECONDS = 24 * 3600.0  # A connection at rest for longer is closed.
_STOP_SECONDS = 25.0  # Frames must finish within this; supervisors kill 30 s after SIGTERM.
_RETRY_SECONDS = 1.0  # A sender whose message could not be stored may try again after this.
_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""Seconds and number of probes until the system gives up a sender whose host has vanished. By
default it keeps such connections for ever.
"""
_HEADER_BYTES = 4096  # The header of a message that is not taken is looked for in so many.
_LINE_ENDS = (b"\r", b"\n")  # Some senders end a frame with more than one of them.

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """``message_bytes`` limits one frame. ``seconds`` limits the time until a started frame is
    complete, or until an answer is read; between frames, a connection may rest for a day.
    """

    message_bytes: int
    seconds: float


class Listener:
    """A listener that takes frames from several connections, those of each one in order.

    ``receiver_for`` returns the receiver for messages from an address.
    """

    def __init__(
        self, receiver_for: Callable[[str], Receiver], limits: Limits, runtime: Runtime
    ) -> None:
        self._receiver_for, self._limits, self._runtime = receiver_for, limits, runtime
        self._connections = Connections(runtime)
        self._stopping = False

    async def run(
        self, host: str, port: int, stop: asyncio.Event, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen until ``stop`` is set, then finish the frames that have begun.

        Raises:
            OSError: the address cannot be used.
        """
        limit = self._limits.message_bytes
        handshake = self._limits.seconds if tls else None
        server = await asyncio.start_server(
            self._connected, host, port, ssl=tls, limit=limit, ssl_handshake_timeout=handshake
        )
        _log.info("listening for MLLP", port=server.sockets[0].getsockname()[1])
        await stop.wait()
        self._stopping = True
        server.close()
        for task in self._connections.tasks(State.RESTING):
            task.cancel()
        if open_tasks := self._connections.tasks():
            _, unfinished = await asyncio.wait(open_tasks, timeout=_STOP_SECONDS)
            for task in unfinished:
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends, then close it."""
        address = str(writer.get_extra_info("peername")[0])
        connection = self._connections.admit(address)
        try:
            if connection is None:
                _log.warning("an MLLP connection too many")
                return
            _enable_keepalive(writer.get_extra_info("socket"))
            await self._serve(reader, writer, connection)
        except (
            OSError,
            TimeoutError,
            asyncio.IncompleteReadError,
            asyncio.CancelledError,
        ) as error:
            # The sender is gone or too slow, or the listener stops. A message without an
            # answer is not stored, or it is sent again and then changes nothing.
            _log.info("an MLLP connection ended", error=type(error).__name__)
        finally:
            if connection is not None:
                self._connections.remove(connection)
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
    ) -> None:
        """Answer one frame after the other until the connection has to end."""
        receiver = self._receiver_for(connection.address)
        while not self._stopping and (first := await self._next_byte(reader)):
            connection.becomes(State.READING)
            if first != START:
                text = "expected MLLP: VT, the message, FS, CR"
                await self._answer(writer, await self._refusal(text, reader, first))
                return
            async with asyncio.timeout(self._limits.seconds):
                try:
                    frame = await reader.readuntil(END)
                except asyncio.LimitOverrunError:
                    text = f"the message is longer than {self._limits.message_bytes} bytes"
                    await self._answer(writer, await self._refusal(f"{text}; send a batch", reader))
                    return
            connection.becomes(State.STORING)
            received = await receiver.receive(_last_begun(frame.removesuffix(END)))
            if received.retry:  # Without an answer, a sender keeps its message and sends it again.
                await asyncio.sleep(_RETRY_SECONDS)
                return
            for part in received.parts:
                await self._answer(writer, part)
            connection.becomes(State.RESTING)

    async def _next_byte(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next byte that is no end of a line; a stop ends the connection meanwhile."""
        async with asyncio.timeout(_REST_SECONDS):
            while (first := await reader.read(1)) in _LINE_ENDS:
                pass
        return first

    async def _refusal(self, text: str, reader: asyncio.StreamReader, begun: bytes = b"") -> bytes:
        """Return the answer to what cannot be taken, which names the message if it has a header."""
        if begun in (b"", b"M"):
            async with asyncio.timeout(self._limits.seconds):
                begun += await reader.read(_HEADER_BYTES)
        return refused_unread(self._runtime, begun, text)

    async def _answer(self, writer: asyncio.StreamWriter, acknowledgement: bytes) -> None:
        if not acknowledgement:
            return  # The sender wants none (MSH-15 and MSH-16).
        writer.write(START + acknowledgement + END)
        async with asyncio.timeout(self._limits.seconds):
            await writer.drain()


def _last_begun(frame: bytes) -> bytes:
    """Return the message of a frame without others that began before it and did not end.

    A value may be cut off in what did not end, and its sender has no answer and sends it again.
    """
    begun = frame.rfind(START + b"MSH")
    if begun > 0:
        _log.warning("an MLLP frame did not end before another began")
    return frame[max(begun, 0) :]


def _enable_keepalive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if option := getattr(socket, name, None):  # Not every system has every option.
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
