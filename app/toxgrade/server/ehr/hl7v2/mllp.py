"""HL7 v2 over MLLP: messages in frames over TCP, as interface engines send and expect them.

A frame is ``<VT> message <FS><CR>`` (HL7 Minimal Lower Layer Protocol, release 1). Its answer, in a
frame too, comes once the message is durable; who gets none sends the message again.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from toxgrade.errors import RequestError
from toxgrade.server.ehr.hl7v2.acknowledge import refused
from toxgrade.server.ehr.hl7v2.receive import Receiver

START, END = b"\x0b", b"\x1c\r"

_CONNECTIONS = 100  # an interface engine keeps a handful; more is somebody's mistake
_GRACE = 25.0  # seconds for what is being stored at SIGTERM; supervisors kill after 30
_AGAIN = 1.0  # seconds before a sender whose message could not be stored may try again
_SILENCE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""Seconds, and how often, until the system gives up a sender whose host is gone without a word: by
itself it keeps the connection for ever, and a hundred of them would be all there are.
"""
_BETWEEN = b"\r\n"  # some senders end a frame with more line ends than one

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """``message_bytes`` of one frame, and the seconds within which a begun one must be whole and
    an answer be read. Between frames a connection may rest as long as it likes.
    """

    message_bytes: int
    seconds: float


class Listener:
    """Takes frames from any number of connections; of each one after the other, in order.

    ``receiver_for`` gives what takes the messages of a connection from an address.
    """

    def __init__(self, receiver_for: Callable[[str], Receiver], limits: Limits) -> None:
        self._receiver_for, self._limits = receiver_for, limits
        self._connections: set[asyncio.Task[None]] = set()
        self._resting: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(
        self, host: str, port: int, stop: asyncio.Event, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen until told to stop; then finish the frames that have begun.

        Raises:
            OSError: the address is not to be had.
        """
        limit = self._limits.message_bytes
        server = await asyncio.start_server(self._connected, host, port, ssl=tls, limit=limit)
        _log.info("listening for MLLP", port=server.sockets[0].getsockname()[1])
        await stop.wait()
        self._stopping = True
        server.close()
        for task in self._resting:
            task.cancel()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=_GRACE)
            for task in late:
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) > _CONNECTIONS:
                _log.warning("an MLLP connection too many")
                return
            _expect_life(writer.get_extra_info("socket"))
            address = str(writer.get_extra_info("peername")[0])
            await self._serve(reader, writer, self._receiver_for(address))
        except (
            OSError,
            TimeoutError,
            asyncio.IncompleteReadError,
            asyncio.CancelledError,
        ) as ended:
            # Nobody is there any more, or is too slow, or we stop: what was not answered is not
            # stored, or will be sent again and change nothing.
            _log.info("an MLLP connection ended", error=type(ended).__name__)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receiver: Receiver
    ) -> None:
        while not self._stopping and (first := await self._rest(reader)):
            if first in _BETWEEN:
                continue
            if first != START:
                await self._answer(writer, _refusal("expected MLLP: VT, the message, FS, CR"))
                return
            async with asyncio.timeout(self._limits.seconds):
                try:
                    frame = await reader.readuntil(END)
                except asyncio.LimitOverrunError:
                    most = f"the message is longer than {self._limits.message_bytes} bytes"
                    await self._answer(writer, _refusal(f"{most}; send a batch"))
                    return
            received = await receiver.receive(frame.removesuffix(END))
            if received.again:  # unanswered, a sender keeps its message and comes again with it
                await asyncio.sleep(_AGAIN)
                return
            await self._answer(writer, received.acknowledgements)

    async def _rest(self, reader: asyncio.StreamReader) -> bytes:
        """The next byte, however long it takes; while it is awaited a stop ends the connection."""
        task = asyncio.current_task()
        assert task is not None
        self._resting.add(task)
        try:
            return await reader.read(1)
        finally:
            self._resting.discard(task)

    async def _answer(self, writer: asyncio.StreamWriter, acknowledgement: bytes) -> None:
        writer.write(START + acknowledgement + END)
        async with asyncio.timeout(self._limits.seconds):
            await writer.drain()


def _expect_life(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if option := getattr(socket, name, None):  # systems differ in what may be chosen
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _refusal(text: str) -> bytes:
    return refused(None, RequestError(text)).encode("ascii")
