"""One connection: a client that sends or reads too slowly is let go, so that others are served.

uvicorn alone holds a half-sent request for ever: 300 of them were still there after 40 seconds.
"""

import asyncio
import json

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from toxgrade.server.process import collect_rarely
from toxgrade.server.settings import Settings

_SLOWEST = 500
"""Bytes per second that a client must manage; a modem from 1985 did."""

_LONGEST_HEAD = 64 * 1024


class SlowClientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines.

    Time is cut into periods of ``patience`` seconds. A client that owed us something during a
    whole period (the rest of its request, or room for our answer) and moved fewer than 500 bytes
    per second in it is let go: between one and two periods after it stopped. Time in which the
    service itself does not read is not counted against anyone.
    """

    patience = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._sending = True  # the client owes us the rest of a request, from the first moment on
        self._received = self._head = self._taken = 0
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        self._head += len(data)
        super().data_received(data)
        if self._head > _LONGEST_HEAD:
            detail = "the headers are too long"
            self._refuse(431, "Request Header Fields Too Large", detail)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP as every other error is answered."""
        self._refuse(400, "Bad Request", "the request is not valid HTTP")

    def resume_writing(self) -> None:
        self._taken += 1  # what had been waiting was taken
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._sending, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = -(1 << 62)  # what follows is body, which the doors limit
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._sending = False
        super().on_message_complete()

    def _look(self) -> None:
        """Note how far this client is; look again after a period."""
        owes = self._sending and not self.flow.read_paused
        waiting = self.transport.get_write_buffer_size() if self.flow.write_paused else None
        self._before = (owes, self._received, self._taken, waiting)
        self._next_look = self.loop.call_later(self.patience, self._judge)

    def _judge(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()  # our last words were not taken
            return
        owed, received, taken, waiting = self._before
        least = _SLOWEST * self.patience
        if owed and self._sending and not self.flow.read_paused:
            if self._received - received < least:
                self._refuse(408, "Request Timeout", "the request came too slowly")
        elif (
            waiting is not None
            and taken == self._taken  # nothing was added in between
            and waiting - self.transport.get_write_buffer_size() < least
        ):
            self.transport.abort()
        self._look()

    def _refuse(self, status: int, title: str, detail: str) -> None:
        """Say why, once and if no answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = json.dumps(
                {"type": "about:blank", "title": title, "status": status, "detail": detail,
                 "errors": []}
            )  # fmt: skip
            head = (
                f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write((head + body).encode())
        self.transport.close()


_GRACE = 25  # seconds for what is being answered at SIGTERM; supervisors kill after 30


def run(app: ASGIApp, settings: Settings) -> None:
    """Serve until told to stop."""
    collect_rarely()
    uvicorn.Server(server_config(app, settings)).run()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration: deadlines for slow clients, our own log, no name of the software."""

    class Protocol(SlowClientProtocol):
        patience = settings.slow_client_seconds / 2

    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path or "",
        http=Protocol,
        ws="none",
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE,
    )
