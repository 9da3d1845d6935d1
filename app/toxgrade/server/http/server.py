"""The uvicorn server, with a protocol that disconnects clients that send or read too slowly.

uvicorn alone waits for a half-sent request for ever: 300 were still open after 40 seconds.
"""

import asyncio
import os

import structlog
import uvicorn
from starlette.types import ASGIApp

from toxgrade.server.http.framing import FramingProtocol
from toxgrade.server.http.proxies import DeclaredProxies, read_networks
from toxgrade.server.process import collect_rarely
from toxgrade.server.settings import Settings

_MIN_BYTES_PER_SECOND = 500
"""The rate that a client must reach in every period; a modem of 1985 did."""

_BYTES_PER_SECOND = 8000
_MAX_BEHIND = 60 * _BYTES_PER_SECOND
"""A request may fall behind a line of 64 kbit/s by a minute in all: 8 MB take 18 minutes at most,
where 500 bytes a second took 4 hours, and an upload of 4 GiB may still take the days it needs.
"""

_GRACE = 25  # seconds for open requests after SIGTERM; supervisors kill after 30


class SlowClientProtocol(FramingProtocol):
    """The protocol with deadlines.

    Time is divided into periods of ``patience`` seconds. A client is disconnected if it kept us
    waiting for a whole period (for the rest of its request, or for room for our answer) and moved
    fewer than 500 bytes per second in it: between one and two periods after it stopped; or if
    such periods leave its request behind 8,000 bytes per second by a minute in all. A period
    at whose beginning or end the service itself does not read is not counted against the client.
    """

    patience = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._sending = True  # A request is expected from the first moment on.
        self._received = self._drained = 0
        self._behind = 0.0
        self._begin_period()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    def resume_writing(self) -> None:
        self._drained += 1  # The client has read what was waiting.
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._sending, self._behind = True, 0.0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._sending = False
        super().on_message_complete()

    def _begin_period(self) -> None:
        """Note how far this client is, and check it after a period."""
        owes = self._sending and not self.flow.read_paused
        waiting = self.transport.get_write_buffer_size() if self.flow.write_paused else None
        self._before = (owes, self._received, self._drained, waiting)
        self._timer = self.loop.call_later(self.patience, self._check_progress)

    def _check_progress(self) -> None:
        """Disconnect the client if it was too slow in the period that ends; begin the next."""
        if self.transport.is_closing():
            self.transport.abort()  # The client has not read the last answer.
            return
        owed, received, drained, waiting = self._before
        least = _MIN_BYTES_PER_SECOND * self.patience
        if owed and self._sending and not self.flow.read_paused:
            came = self._received - received
            self._behind = max(0.0, self._behind + _BYTES_PER_SECOND * self.patience - came)
            if came < least or self._behind > _MAX_BEHIND:
                self.refuse(408, "Request Timeout", "the request came too slowly")
        elif (
            waiting is not None
            and drained == self._drained  # Nothing was added to the buffer in between.
            and waiting - self.transport.get_write_buffer_size() < least
        ):
            self.transport.abort()
        self._begin_period()


def run(app: ASGIApp, settings: Settings) -> None:
    """Serve until a signal stops the process."""
    if "FORWARDED_ALLOW_IPS" in os.environ:
        structlog.get_logger().warning("FORWARDED_ALLOW_IPS is not read: set TOXGRADE_PROXIES")
    collect_rarely()
    uvicorn.Server(server_config(app, settings)).run()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration: client deadlines, our own log, no ``Server`` header."""

    class Protocol(SlowClientProtocol):
        patience = linger = settings.slow_client_seconds / 2

    return uvicorn.Config(
        DeclaredProxies(app, read_networks(settings.proxies)),
        proxy_headers=False,
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
